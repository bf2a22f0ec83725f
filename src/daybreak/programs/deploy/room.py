"""Whether the nodes will ever have room for the replicas that are to run."""

import json
import os
from typing import Any, Dict, List

from ..common.whole_file import write_json
from . import demands, loading, shortage
from .head import request

ASKS_FILE = "serve-asks.json"


def refuse_shortage(job: Dict[str, Any], asked: List[Dict[str, Any]]) -> None:
    """Replicas that no node will ever have room for are not waited for. Raises Refused.

    What they ask for is kept for whoever takes nodes away later.
    """
    if not job.get("nodes_file"):
        return
    kept = os.path.join(os.path.dirname(job["status_file"]), ASKS_FILE)
    write_json(kept, asked)
    with open(job["nodes_file"], encoding="utf-8") as file:
        nodes = demands.with_what_ray_finds(json.load(file))
    short = shortage.shortage(asked, nodes)
    if short:
        raise loading.Refused(short.reason, (short.hint,))


def asked_by_config(job: Dict[str, Any], names: List[str]) -> List[Dict[str, Any]]:
    """What the applications of a Serve config ask for, which Serve has built; nothing where that cannot be known."""
    if job["config"].get("target_capacity") is not None:
        return []  # it scales the numbers of replicas
    try:
        told = json.loads(request(job["dashboard"] + "/api/serve/applications/", job["token_file"]))["applications"]
        return [row for name in names for row in demands.demands_told(name, told[name]["deployments"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"what the applications ask for is not known: {type(error).__name__}: {error}", flush=True)
        return []

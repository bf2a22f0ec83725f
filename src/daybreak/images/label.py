"""Which Ray an image has, without running it: a label that `daybreak image build` writes, and a file in the image.

Both hold what `survey/ray_probe.py` says in the image's interpreter, and `python`, that interpreter's path. An image
that was built from the Dockerfile by other means has the file alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from daybreak.engine import labels as names

FILE = "/opt/daybreak/ray.json"
HEALTH = "/opt/daybreak/health.py"


def ray_of(labels: Mapping[str, str] | None) -> dict[str, Any] | None:
    """What the label says: `version`, `python`, `scripts`, `haproxy` and more; None where there is no valid one."""
    return parsed((labels or {}).get(names.RAY, ""))


def parsed(text: str | bytes) -> dict[str, Any] | None:
    """The content of the label or of the file; None where it is something else."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("python") and found.get("version") else None

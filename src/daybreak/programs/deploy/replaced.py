"""Whether new replicas have taken the place of the old ones, which may still answer what they have begun.

Serve calls an application RUNNING when the last old replica has ended, which may take as long as its longest request.
"""

import json
from time import monotonic
from typing import AbstractSet, Any, Dict, Iterator, Optional, Set

from . import surge
from .head import request

RUNNING, STOPPING = "RUNNING", "STOPPING"


class Replacement:
    """Made before Serve is told of the new applications. Without a dashboard, or where nothing is to surge, nothing is
    known, and Serve's own word counts."""

    def __init__(self, job: Dict[str, Any]) -> None:
        self._job = job
        self._old: Dict[str, Set[str]] = {}
        self._since: Dict[str, float] = {}
        # Deployments that keep their replicas, by application.
        self.kept: Dict[str, Set[str]] = {}
        if surge.read_way(job.get("way_file")).get("surge"):
            told = self._told() or {}
            self._old = {name: {one["replica_id"] for one in _replicas(app)} for name, app in told.items()}

    @property
    def begun(self) -> bool:
        """Are there replicas that answer until others do?"""
        return any(self._old.values())

    def done(self, name: str) -> bool:
        """Do new replicas alone get this application's requests, and as many as there are to be?"""
        old = self._old.get(name)
        app = (self._told() or {}).get(name) if old else None
        if not (old and app and taken_over(app, old, self.kept.get(name, set()))):
            self._since.pop(name, None)
            return False
        # HAProxy is told of it later, and its old process answers what it has accepted: replicas go on taking requests
        # for so long.
        since = self._since.setdefault(name, monotonic())
        return monotonic() - since >= float(self._job["least_drain_s"])

    def _told(self) -> Optional[Dict[str, Any]]:
        try:
            found = json.loads(request(self._job["dashboard"] + "/api/serve/applications/", self._job["token_file"]))
            return dict(found["applications"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def taken_over(app: Dict[str, Any], old: Set[str], kept: AbstractSet[str] = frozenset()) -> bool:
    """From what Serve's REST API tells of an application: no deployments while it is built from a config. Those in
    `kept` go on with what they have."""
    try:
        deployments = app["deployments"]
        replaced = [one for name, one in deployments.items() if name not in kept]
        return bool(deployments) and all(_deployment_taken_over(one, old) for one in replaced)
    except (KeyError, TypeError, AttributeError):
        return False


def _deployment_taken_over(deployment: Dict[str, Any], old: Set[str]) -> bool:
    replicas = deployment["replicas"]
    new = [one for one in replicas if one["replica_id"] not in old and one["state"] == RUNNING]
    answering = [one for one in replicas if one["replica_id"] in old and one["state"] != STOPPING]
    return len(new) >= deployment["target_num_replicas"] and not answering


def _replicas(app: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    for deployment in (app.get("deployments") or {}).values():
        yield from deployment.get("replicas") or ()

"""What the GCS knows, kept where it outlives the GCS: how Ray is told, and where it lies. Pure.

It is there for a GCS, or a head, that dies: the one that is started again goes on with it, and nodes, replicas and
actors that still run are found by it. Whatever else starts a head starts it with nothing: the folder is emptied.
"""

from __future__ import annotations

import math

from daybreak.errors import Problem, SpecError
from daybreak.services.site import Site
from daybreak.spec.model import Spec

# RocksDB is a part of the GCS since this release.
ROCKSDB_SINCE = (2, 57)
# Ray's own patience with a GCS that is away.
LEAST_PATIENCE_S = 60
# A head that comes back has its start's deadline for it; what waits for it is more patient than that.
SPARE_S = 60
STORAGE, FOLDER, PATIENCE = "RAY_gcs_storage", "RAY_gcs_storage_path", "RAY_gcs_rpc_server_reconnect_timeout_s"


def is_kept(spec: Spec) -> bool:
    """Does the GCS's state outlive the GCS?"""
    return spec.ray.state != "none"


def folder(site: Site) -> str:
    """Where it lies: each slot of the app tier has its own."""
    return site.place("gcs")


def session_file(site: Site) -> str:
    """Where Ray writes the name that the head has as long as its state lasts."""
    return f"{folder(site)}/session_name"


def head_env(spec: Spec, site: Site) -> dict[str, str]:
    """What tells the GCS where to keep it."""
    return {STORAGE: "rocksdb", FOLDER: folder(site)} if is_kept(spec) else {}


def node_env(spec: Spec) -> dict[str, str]:
    """What lets a node's processes wait for a GCS that is away."""
    if not is_kept(spec):
        return {}
    return {PATIENCE: str(max(LEAST_PATIENCE_S, math.ceil(spec.start_timeout)) + SPARE_S)}


def require(spec: Spec, site: Site) -> None:
    """Raises SpecError where this cannot be."""
    if not is_kept(spec):
        return
    problems = []
    if site.ray.release < ROCKSDB_SINCE:
        since = ".".join(map(str, ROCKSDB_SINCE))
        text = f"{spec.ray.state} needs Ray {since} or newer, and Ray {site.ray.version} is installed"
        problems.append(Problem(text, key="ray.state", hint="install a newer Ray, or write `state: none`"))
    if site.engine:
        text = f"{spec.ray.state} is for processes of this machine: a container's folder ends with the container"
        problems.append(Problem(text, key="ray.state", hint="write `backend: process`, or `state: none`"))
    if problems:
        raise SpecError(problems)

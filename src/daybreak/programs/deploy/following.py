"""Watching applications until they run, and saying why one does not."""

import os
import time
from typing import Any, Dict, List, Optional

from . import reasons
from .progress import DeployFailed, Status, naps
from .replaced import Replacement
from .room import asked_by_config, refuse_shortage

# No new replica has taken over sooner.
FIRST_LOOK_S = 0.25


def wait_until_running(
    job: Dict[str, Any], names: List[str], replacement: Replacement, status: Status, deadline: float
) -> None:
    """Watch the applications' state until all are RUNNING, or only old replicas of theirs have not ended yet."""
    from ray import serve

    if replacement.begun:
        # Whoever asks Serve's controller meanwhile keeps it from what is waited for.
        time.sleep(FIRST_LOOK_S)
    told = job["config"] is None  # what was imported here was looked at before it was submitted
    for nap in naps(deadline, "the applications are not RUNNING"):
        found = serve.status().applications
        if not told and all(name in found and found[name].deployments for name in names):
            refuse_shortage(job, asked_by_config(job, names))
            told = True
        for name in names:
            if name in found and _value(found[name].status) in ("DEPLOY_FAILED", "UNHEALTHY"):
                raise failed(job, name, found[name])
        waiting = [
            name
            for name in names
            if name not in found or (_value(found[name].status) != "RUNNING" and not replacement.done(name))
        ]
        if not waiting:
            return
        states = [reasons.read(name, found.get(name)) for name in waiting]
        status.write("submitted", "; ".join(reasons.why_not_yet(state) for state in states))
        time.sleep(nap)


def failed(job: Dict[str, Any], name: str, state: Any) -> DeployFailed:
    """Why an application does not run; a replica that ended without a word of its own may have left some in its log."""
    app = reasons.read(name, state)
    runtime = os.path.dirname(job["status_file"])
    folders = [runtime + "/session_latest/logs", runtime + "/*/session_latest/logs"]

    def end_of(deployment: str) -> "Optional[reasons.End]":
        actors = (f"ServeReplica:{name}:{deployment}", f"ServeReplica:{deployment}")
        found = (reasons.end_of_actor(folders, runtime + "/warm/ends", actor) for actor in actors)
        return next((end for end in found if end), None)

    told = reasons.why_failed(app, os.getcwd(), packages(job), end_of)
    whole = [f"application {name}: {app.status}: {app.message}", *(f"{d.name}: {d.message}" for d in app.deployments)]
    return DeployFailed(told.reason, told.lines, "\n".join(whole))


def packages(job: Dict[str, Any]) -> List[str]:
    """The packages that the applications are imported from: installed ones are the user's, too."""
    paths = [entry["import"] for entry in job["applications"]]
    paths += [str(app.get("import_path")) for app in (job["config"] or {}).get("applications") or []]
    return [path.partition(":")[0].partition(".")[0] for path in paths]


def _value(status: Any) -> str:
    return str(getattr(status, "value", status))

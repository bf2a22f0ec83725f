"""Deploy Serve applications and wait until they run: `python deploy.py REQUEST.json`.

A program, not a module: it runs in Ray's interpreter. It imports Ray and the application while the head is still
starting, waits for the head's raylet, deploys, and writes how far it is into a status file that is replaced as a
whole, so a reader never sees half of it. Exit code 0 when every application is RUNNING, 1 otherwise; then the file has
the `reason` in one line, the user's frames (`error`), and all that is known (`whole`).

The request (JSON): `address`, `raylet_health` (URL), `http` (host, port), `applications` (import, name, route, args),
`config` (Ray's Serve config as a mapping, or null), `dashboard` (URL), `token_file` (or null), `status_file`,
`config_file` (its name for people), `nodes_file` (what the nodes offer, or null), `way_file` (see `surge.read_way`),
`drain_s` (how long a replica that is replaced has to end what it answers), `least_drain_s` (how long it takes requests
at least), `base` and `code_link` (see `code_folder.py`), `instance`, `timeout_s`; where the head's state outlives it
`session_file`, which has the name of the session.
"""

import functools
import json
import os
import sys
import time
import traceback
from typing import Any, Dict, List, Optional

if not __package__:  # run as a file: its neighbours are found under a name that nobody else has, and nowhere else
    sys.modules["daybreak_programs"] = shelf = type(sys)("daybreak_programs")
    here = os.path.dirname(os.path.abspath(__file__))
    shelf.__path__ = [os.path.dirname(here)]
    sys.path[:] = [folder for folder in sys.path if folder != here]
    __package__ = "daybreak_programs.deploy"

from . import (
    code_folder,
    demands,
    diverted,
    loading,
    packing,
    proxy_options,
    ready_workers,
    reasons,
    remembered,
    replaced,
    router_class,
    sources,
    surge,
    unchanged,
)
from .following import packages, wait_until_running
from .head import connect, head_id
from .progress import DeployFailed, Status
from .room import refuse_shortage
from .submitting import start_serve, submit

# The priority that Ray's workers have, and so what answers while it is replaced. Where somebody waits for what they
# have just saved, what answers meanwhile can wait.
LOW = 15
# Where somebody waits for what they save, as `daybreak dev` says.
SPARES = "DAYBREAK_SPARES"
# The keeper's own deadline ends first: it knows what was waited for last.
SPARE_S = 5.0


def run(job: Dict[str, Any], status: Status) -> None:
    """Everything in order; raises on failure."""
    deadline = time.monotonic() + float(job["timeout_s"]) + SPARE_S
    status.write("importing", "the application")
    way = surge.read_way(job.get("way_file"))
    if (way.get("redeploy") or way.get("surge")) and not way.get("changed_only"):
        os.nice(LOW)
    code_folder.work_in(job)
    import ray
    import ray.serve

    loading.find_the_applications()
    wanted, only = wanted_routes(job), way.get("only") or None
    if only:
        job = dict(job, applications=[entry for entry in job["applications"] if entry["name"] == only])
    targets = load_all(job, status, deadline)
    if not ray.is_initialized():
        connect(job, status, deadline, ray.init)
    runtime = os.path.dirname(job["status_file"])
    book = os.path.join(runtime, sources.CODE_FILE)
    own = sources.own_files(os.getcwd())
    files = sources.note(book, os.getcwd(), own if job["config"] is None else None, beside=bool(only))
    deployed = remembered.Deployed(os.path.join(runtime, "serve-deployed.json"), head_id(job))
    open_doors(job, deployed, status)
    if code_folder.is_version(job) and not deployed.follows:
        raise loading.Refused("the version is not deployed: Serve's replicas would find the code of the spec's folder")
    status.write("starting", "Serve's controller and proxy")
    if job["config"] is not None:
        job = with_uploads(job)
    replacement = replaced.Replacement(job)
    same = unchanged.Unchanged(os.getcwd(), own, files, (deployed.versions, deployed.proven), job["instance"])
    submit(job, targets, wanted, deployed, status, deadline, same)
    replacement.kept = same.kept
    status.write("submitted", "waiting for replicas")
    wait_until_running(job, list(wanted), replacement, status, deadline)
    deployed.prove()
    status.write("running")


def load_all(job: Dict[str, Any], status: Status, deadline: float) -> List[Any]:
    """Everything that can be known before the head is there: the config is one, the applications are."""
    if job["config"] is not None:
        loading.check_config(job["config"], job.get("config_file") or "the Serve config")
    else:
        router_class.by_name()
    connecting = functools.partial(connect, job, status, deadline)
    with diverted.diverted(connecting, functools.partial(start_serve, job=job, deadline=deadline)):
        targets = [loading.load(entry) for entry in job["applications"]]
    refuse_shortage(
        job, [row for t, e in zip(targets, job["applications"]) for row in demands.demands_of(t, e["name"])]
    )
    return targets


def with_uploads(job: Dict[str, Any]) -> Dict[str, Any]:
    """The job with its config's local code as it is found on any machine."""
    try:
        return dict(job, config=packing.uploaded(job["config"]))
    except packing.NotPacked as error:
        raise loading.Refused(str(error)) from error


def wanted_routes(job: Dict[str, Any]) -> Dict[str, Optional[str]]:
    """The applications' names with their routes; None where only the application itself knows."""
    if job["config"] is not None:
        return {app.get("name", "default"): app.get("route_prefix") for app in job["config"]["applications"]}
    return {entry["name"]: entry["route"] or "" for entry in job["applications"]}


def open_doors(job: Dict[str, Any], deployed: remembered.Deployed, status: Status) -> None:
    """A running Serve ignores other HTTP or gRPC options than it was started with: it is ended, and starts anew."""
    from ray import serve

    wanted = proxy_options.proxy_options_of(job)
    if deployed.proxy_options not in (None, wanted):
        status.write("starting", "Serve anew: its HTTP or gRPC options have changed")
        serve.shutdown()
        deployed.drop(deployed.names)
    deployed.open(wanted, follows=code_folder.can_be_looked_for(job))


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    status = Status(job["status_file"], job["instance"])
    try:
        run(job, status)
    except loading.Refused as error:
        whole = ""
        if error.__cause__ and error.lines:
            whole = "".join(
                traceback.format_exception(type(error.__cause__), error.__cause__, error.__cause__.__traceback__)
            )
            print(whole, flush=True)
        status.write("failed", error.reason, error.lines, whole)
        return 1
    except DeployFailed as error:
        print(error.whole, flush=True)
        status.write("failed", str(error).strip().splitlines()[0], error.lines, error.whole)
        return 1
    except BaseException as error:
        text = traceback.format_exc()
        traceback.print_exc()
        told = reasons.of_error(error, text, os.getcwd(), packages(job))
        status.write("failed", told.reason, told.lines, text)
        return 1
    if os.environ.get(SPARES):
        ready_workers.keep_one()
    return 0


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    # The driver has nothing to clean up that its end does not: Ray's own shutdown would take a second.
    os._exit(exit_code)

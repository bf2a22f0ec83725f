"""Telling Serve what to run."""

import functools
import json
import os
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Optional, Set

from . import remembered, surge
from .following import failed
from .head import request
from .progress import DeployFailed, Status, naps
from .unchanged import Unchanged

DEPLOY_TIMEOUT_S = 60.0
# Of a Serve config.
STARTED_WITH = ("proxy_location", "http_options", "grpc_options", "logging_config", "controller_options")
CONTROLLER = "SERVE_CONTROLLER_ACTOR"


def submit(
    job: Dict[str, Any],
    targets: List[Any],
    wanted: Dict[str, Optional[str]],
    deployed: remembered.Deployed,
    status: Status,
    deadline: float,
    unchanged: Unchanged,
) -> None:
    """Tell Serve what to run. What an earlier deployment has left goes when the new one has been accepted, and before
    only where it holds a route. What somebody else has deployed stays."""
    from ray import serve

    by_config = job["config"] is not None
    # A Ray without `run_many` waits for each application, which may need the CPUs of what nobody wants any more.
    waits = not by_config and not hasattr(serve, "run_many")
    delete(deployed.names - set(wanted) if waits else deployed.in_the_way(wanted, by_config=by_config))
    anything = bool(deployed.names)
    deployed.add(wanted, by_config=by_config)
    if by_config:
        # The dashboard would start it in a job of its own, whose replicas look into the spec's folder first.
        start_serve(serve.start, job, deadline)
        deploy_config(job, deployed.names, deadline, over=anything)
    else:
        deploy_imported(job, targets, status, deadline, unchanged)
        deployed.note(unchanged.versions)
    left = deployed.names - set(wanted)
    delete(left)
    deployed.drop(left)


def start_serve(begin: Any, job: Dict[str, Any], deadline: float) -> None:
    """Start Serve as the request says. Ray's `serve.start`, which `begin` is, gives up on the first proxy that dies, or
    is slow: Serve itself starts another one."""
    from ray.exceptions import RayError

    for nap in naps(deadline, "Serve's proxy does not start"):
        try:
            begin(**start_options(job))
            return
        except (RayError, TimeoutError) as error:
            print(f"Serve's proxy does not start, trying again: {error}", flush=True)
            time.sleep(nap)


def start_options(job: Dict[str, Any]) -> Dict[str, Any]:
    """What Serve takes when it starts: a Serve config's own, as Ray's dashboard would give them."""
    config = job["config"]
    if config is None:
        return {"proxy_location": "HeadOnly", "http_options": dict(job["http"])}
    return {key: config[key] for key in STARTED_WITH if config.get(key)}


def wait_for_controller(started: Any, deadline: float) -> None:
    """Wait until Serve's controller is there, or `started` (the future of Serve's start) has ended without it."""
    import ray

    for nap in naps(deadline, "Serve's controller does not start"):
        if started.done():
            started.result()
            return
        try:
            ray.get_actor(CONTROLLER, namespace="serve")
            return
        except ValueError:
            time.sleep(nap)


def deploy_imported(
    job: Dict[str, Any], targets: List[Any], status: Status, deadline: float, unchanged: Unchanged
) -> None:
    """Submit applications given by import path."""
    from ray import serve

    start = functools.partial(start_serve, serve.start, job, deadline)
    entries = job["applications"]
    run_many = getattr(serve, "run_many", None)
    target_type = getattr(serve, "RunTarget", None)
    if run_many and target_type:
        with ThreadPoolExecutor(1) as pool:
            # Serve's own start waits for its proxy; replicas need the controller alone.
            started = pool.submit(start)
            wait_for_controller(started, deadline)
            way = surge.read_way(job.get("way_file"))
            mark = functools.partial(unchanged.mark, all_anew=not way.get("changed_only"))
            with surge.replaced_gently(way.get("surge", 0), float(job["drain_s"]), mark):
                run_many(
                    [target_type(t, name=e["name"], route_prefix=e["route"]) for t, e in zip(targets, entries)],
                    wait_for_applications_running=False,
                    wait_for_ingress_deployment_creation=False,
                )
            status.write("submitted", "waiting for Serve's proxy")
            started.result()
    else:  # Ray before `run_many`: one after another, each waiting with Serve's own one-second poll
        start()
        # Said before it is true of all: workers wait for it, and a replica may need a worker's resources.
        status.write("submitted", "waiting for replicas")
        for target, entry in zip(targets, entries):
            _run_one(job, target, entry)


def _run_one(job: Dict[str, Any], target: Any, entry: Dict[str, Any]) -> None:
    """Run one application; where Serve gives up on it, say what its deployments say."""
    from ray import serve

    try:
        serve.run(target, name=entry["name"], route_prefix=entry["route"])
    except RuntimeError as error:
        state = serve.status().applications.get(entry["name"])
        raise (failed(job, entry["name"], state) if state else DeployFailed(str(error))) from error


def deploy_config(job: Dict[str, Any], ours: Set[str], deadline: float, *, over: bool) -> None:
    """Submit Ray's own Serve config through the REST API of the dashboard, its public door.

    A config stands for all applications that were deployed by one: those that are not in `ours`, which somebody has
    deployed beside the spec's, would end, so theirs go with it as they are. `over`: some of it may run already.
    """
    from ray import serve

    url = job["dashboard"] + "/api/serve/applications/"
    what = "Ray's dashboard does not answer at " + job["dashboard"]
    others = set(serve.status().applications) - ours
    for nap in naps(deadline, what):
        try:
            told = json.loads(request(url, job["token_file"])).get("applications", {}) if others or over else {}
            beside = others_configs(told, others)
            config = _over(job, told) if over else job["config"]
            config = {**config, "applications": [*config["applications"], *beside]}
            request(url, job["token_file"], method="PUT", body=config, timeout_s=DEPLOY_TIMEOUT_S)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                text = error.read().decode(errors="replace")
                raise DeployFailed(f"Ray refused the Serve config ({error.code}): {text[:2000]}") from None
            time.sleep(nap)  # the dashboard is up before its Serve module is
        except OSError:
            time.sleep(nap)


def _over(job: Dict[str, Any], told: Dict[str, Any]) -> Dict[str, Any]:
    """The config as it replaces the running applications: all of them, or those of which something differs."""
    way = surge.read_way(job.get("way_file"))
    built = surge.built_by_vetting(os.path.dirname(job["status_file"]))
    mark = job["instance"] if way.get("redeploy") else None
    return surge.in_config(job["config"], told, built, way.get("surge", 0), mark, way.get("only") or "")


def others_configs(found: Dict[str, Any], names: Set[str]) -> List[Dict[str, Any]]:
    """The configs of these applications, as Ray has them; none for those that were not deployed by a config."""
    configs = [found.get(name, {}).get("deployed_app_config") for name in sorted(names)]
    return [config for config in configs if config]


def delete(names: Set[str]) -> None:
    """Delete applications, all at once."""
    from ray import serve

    others = sorted(names & set(serve.status().applications)) if names else []
    if others:
        print(f"deleting what an earlier deployment left: {', '.join(others)}", flush=True)
        with ThreadPoolExecutor(len(others)) as pool:
            list(pool.map(serve.delete, others))

"""Deploy Serve applications and wait until they run: `python deploy.py REQUEST.json`.

A program, not a module: it runs in Ray's interpreter. It imports Ray and the application while the head is still
starting, waits for the head's raylet, deploys, and writes how far it is into a status file that is replaced as a
whole, so a reader never sees half of it. Exit code 0 when every application is RUNNING, 1 otherwise; then the file has
the `reason` in one line, the user's frames (`error`), and all that is known (`whole`).

The request (JSON): `address`, `raylet_health` (URL), `http` (host, port), `applications` (import, name, route, args),
`config` (Ray's Serve config as a mapping, or null), `dashboard` (URL), `token_file` (or null), `status_file`,
`config_file` (its name for people), `nodes_file` (what the nodes offer, or null), `instance`, `timeout_s`.
"""

import functools
import json
import os
import socket
import sys
import time
import traceback
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Set

if TYPE_CHECKING:
    from daybreak.rayside import asks, diverted, loading, packing, reasons, remembered, shortage
else:
    import asks
    import diverted
    import loading
    import packing
    import reasons
    import remembered
    import shortage

# Waits begin with short naps and double up to the longest.
SHORTEST_NAP_S = 0.01
LONGEST_NAP_S = 0.25
PROBE_TIMEOUT_S = 5.0
DEPLOY_TIMEOUT_S = 60.0
ASKS_FILE = "serve-asks.json"
CONTROLLER = "SERVE_CONTROLLER_ACTOR"
HEAD_RESOURCE = "node:__internal_head__"
ALIVE = 0  # GcsNodeInfo.GcsNodeState


# The keeper's own deadline ends first: it knows what was waited for last.
SPARE_S = 5.0
MOST_LINES = 300


class DeployFailed(Exception):
    """The applications will not run; the message is for the user. `whole` is what it was made from."""

    def __init__(self, message: str, lines: Sequence[str] = (), whole: str = "") -> None:
        super().__init__(message)
        self.lines = list(lines)
        self.whole = whole


class Status:
    """The status file: stage, reason and error, written as they change."""

    def __init__(self, path: str, instance: str) -> None:
        self._path = path
        self._last: Dict[str, Any] = {}
        self._instance = instance

    def write(self, stage: str, reason: str = "", error: Sequence[str] = (), whole: str = "") -> None:
        state = {"stage": stage, "reason": reason, "error": list(error), "instance": self._instance}
        state["whole"] = whole.strip().splitlines()[-MOST_LINES:]
        if state == self._last:
            return
        temporary = f"{self._path}.{os.getpid()}"
        # Errors may quote what the application was given: nobody else's business.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(temporary, self._path)
        self._last = state
        print(f"{stage}: {reason}" if reason else stage, flush=True)


def naps(deadline: float, what: str) -> Iterator[float]:
    """Yield growing naps until the deadline (monotonic seconds), then raise DeployFailed naming `what`."""
    nap = SHORTEST_NAP_S
    while time.monotonic() < deadline:
        yield nap
        nap = min(nap * 2, LONGEST_NAP_S)
    raise DeployFailed(f"timed out: {what}")


def request(
    url: str, token_file: Optional[str], *, method: str = "GET", body: Any = None, timeout_s: float = PROBE_TIMEOUT_S
) -> bytes:
    """One HTTP request on this machine, with Ray's token where there is one; proxies are never used."""
    made = urllib.request.Request(url, method=method)
    if body is not None:
        made.data = json.dumps(body).encode()
        made.add_header("Content-Type", "application/json")
    if token_file:
        with open(token_file, encoding="utf-8") as file:
            made.add_header("Authorization", f"Bearer {file.read().strip()}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(made, timeout=timeout_s) as answer:
        return bytes(answer.read())


def wait_for_http(url: str, deadline: float, what: str, token_file: Optional[str]) -> None:
    """Wait until the URL answers 200."""
    for nap in naps(deadline, what):
        try:
            request(url, token_file)
            return
        except OSError:
            time.sleep(nap)


def wait_for_raylet(job: Dict[str, Any], deadline: float) -> None:
    """Wait until the GCS knows a living node. Where this Ray's client cannot be asked so, the head's agent is: it
    starts later than the raylet."""
    import ray._raylet

    what = "the head's raylet is not registered"
    host, _, port = job["address"].rpartition(":")
    for nap in naps(deadline, "the GCS does not answer"):
        try:
            socket.create_connection((host, int(port)), timeout=PROBE_TIMEOUT_S).close()
            break
        except OSError:
            time.sleep(nap)
    try:
        client = ray._raylet.GcsClient(address=job["address"])
        for nap in naps(deadline, what):
            if any(info.state == ALIVE for info in client.get_all_node_info(timeout=PROBE_TIMEOUT_S).values()):
                return
            time.sleep(nap)
    except (AttributeError, TypeError):
        # Ray 2.20's agents answer without a token, and ignore it where given.
        wait_for_http(job["raylet_health"], deadline, what, job["token_file"])


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


def start_serve(begin: Any, job: Dict[str, Any], deadline: float) -> None:
    """Start Serve as the request says. Ray's `serve.start`, which `begin` is, gives up on the first proxy that dies, or
    is slow: Serve itself starts another one."""
    from ray.exceptions import RayError

    for nap in naps(deadline, "Serve's proxy does not start"):
        try:
            begin(proxy_location="HeadOnly", http_options=dict(job["http"]))
            return
        except (RayError, TimeoutError) as error:
            print(f"Serve's proxy does not start, trying again: {error}", flush=True)
            time.sleep(nap)


def deploy_imported(job: Dict[str, Any], targets: List[Any], status: Status, deadline: float) -> None:
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


def delete(names: Set[str]) -> None:
    """Delete applications, all at once."""
    from ray import serve

    others = sorted(names & set(serve.status().applications)) if names else []
    if others:
        print(f"deleting what an earlier deployment left: {', '.join(others)}", flush=True)
        with ThreadPoolExecutor(len(others)) as pool:
            list(pool.map(serve.delete, others))


def _run_one(job: Dict[str, Any], target: Any, entry: Dict[str, Any]) -> None:
    """Run one application; where Serve gives up on it, say what its deployments say."""
    from ray import serve

    try:
        serve.run(target, name=entry["name"], route_prefix=entry["route"])
    except RuntimeError as error:
        state = serve.status().applications.get(entry["name"])
        raise (_failed(job, entry["name"], state) if state else DeployFailed(str(error))) from error


def deploy_config(job: Dict[str, Any], ours: Set[str], deadline: float) -> None:
    """Submit Ray's own Serve config through the REST API of the dashboard, its public door.

    A config stands for all applications that were deployed by one: those that are not in `ours`, which somebody has
    deployed beside the spec's, would end, so theirs go with it as they are.
    """
    from ray import serve

    url = job["dashboard"] + "/api/serve/applications/"
    what = "Ray's dashboard does not answer at " + job["dashboard"]
    others = set(serve.status().applications) - ours
    for nap in naps(deadline, what):
        try:
            beside = others_configs(request(url, job["token_file"]), others) if others else []
            config = {**job["config"], "applications": [*job["config"]["applications"], *beside]}
            request(url, job["token_file"], method="PUT", body=config, timeout_s=DEPLOY_TIMEOUT_S)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                text = error.read().decode(errors="replace")
                raise DeployFailed(f"Ray refused the Serve config ({error.code}): {text[:2000]}") from None
            time.sleep(nap)  # the dashboard is up before its Serve module is
        except OSError:
            time.sleep(nap)


def others_configs(answer: bytes, names: Set[str]) -> List[Dict[str, Any]]:
    """The configs of these applications, as Ray has them; none for those that were not deployed by a config."""
    found = json.loads(answer).get("applications", {})
    configs = [found.get(name, {}).get("deployed_app_config") for name in sorted(names)]
    return [config for config in configs if config]


def wait_until_running(job: Dict[str, Any], names: List[str], status: Status, deadline: float) -> None:
    """Watch the applications' state until all are RUNNING."""
    from ray import serve

    told = job["config"] is None  # what was imported here was looked at before it was submitted
    for nap in naps(deadline, "the applications are not RUNNING"):
        found = serve.status().applications
        if not told and all(name in found and found[name].deployments for name in names):
            refuse_shortage(job, asked_by_config(job, names))
            told = True
        for name in names:
            if name in found and _value(found[name].status) in ("DEPLOY_FAILED", "UNHEALTHY"):
                raise _failed(job, name, found[name])
        waiting = [name for name in names if name not in found or _value(found[name].status) != "RUNNING"]
        if not waiting:
            return
        states = [reasons.read(name, found.get(name)) for name in waiting]
        status.write("submitted", "; ".join(reasons.why_not_yet(state) for state in states))
        time.sleep(nap)


def _failed(job: Dict[str, Any], name: str, state: Any) -> DeployFailed:
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


def connect(job: Dict[str, Any], status: Status, deadline: float, init: Any, **options: Any) -> Any:
    """Connect to the cluster as soon as its head can be; `init` is Ray's `ray.init`."""
    status.write("waiting", "for the head's raylet")
    wait_for_raylet(job, deadline)
    status.write("connecting", f"to {job['address']}")
    defaults = {"log_to_driver": False, "namespace": "daybreak"}
    return init(address=job["address"], ignore_reinit_error=True, **{**defaults, **options})


def load_all(job: Dict[str, Any], status: Status, deadline: float) -> List[Any]:
    """Everything that can be known before the head is there: the config is one, the applications are."""
    if job["config"] is not None:
        loading.check_config(job["config"], job.get("config_file") or "the Serve config")
    connecting = functools.partial(connect, job, status, deadline)
    with diverted.diverted(connecting, functools.partial(start_serve, job=job, deadline=deadline)):
        targets = [loading.load(entry) for entry in job["applications"]]
    refuse_shortage(job, [row for t, e in zip(targets, job["applications"]) for row in asks.asks_of(t, e["name"])])
    return targets


def refuse_shortage(job: Dict[str, Any], asked: List[Dict[str, Any]]) -> None:
    """Replicas that no node will ever have room for are not waited for. Raises Refused.

    What they ask for is kept for whoever takes nodes away later.
    """
    if not job.get("nodes_file"):
        return
    kept = os.path.join(os.path.dirname(job["status_file"]), ASKS_FILE)
    with open(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(asked, file)
    with open(job["nodes_file"], encoding="utf-8") as file:
        nodes = asks.with_what_ray_finds(json.load(file))
    short = shortage.shortage(asked, nodes)
    if short:
        raise loading.Refused(short.reason, (short.hint,))


def asked_by_config(job: Dict[str, Any], names: List[str]) -> List[Dict[str, Any]]:
    """What the applications of a Serve config ask for, which Serve has built; nothing where that cannot be known."""
    if job["config"].get("target_capacity") is not None:
        return []  # it scales the numbers of replicas
    try:
        told = json.loads(request(job["dashboard"] + "/api/serve/applications/", job["token_file"]))["applications"]
        return [row for name in names for row in asks.asks_told(name, told[name]["deployments"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"what the applications ask for is not known: {type(error).__name__}: {error}", flush=True)
        return []


def run(job: Dict[str, Any], status: Status) -> None:
    """Everything in order; raises on failure."""
    deadline = time.monotonic() + float(job["timeout_s"]) + SPARE_S
    status.write("importing", "the application")
    import ray
    import ray.serve

    loading.step_aside()
    targets = load_all(job, status, deadline)
    if not ray.is_initialized():
        connect(job, status, deadline, ray.init)
    wanted = wanted_routes(job)
    deployed = remembered.Deployed(os.path.join(os.path.dirname(job["status_file"]), "serve-deployed.json"), head_id())
    open_doors(job, deployed, status)
    status.write("starting", "Serve's controller and proxy")
    if job["config"] is not None:
        try:
            job = dict(job, config=packing.uploaded(job["config"]))
        except packing.NotPacked as error:
            raise loading.Refused(str(error)) from error
    submit(job, targets, wanted, deployed, status, deadline)
    status.write("submitted", "waiting for replicas")
    wait_until_running(job, list(wanted), status, deadline)
    status.write("running")


def wanted_routes(job: Dict[str, Any]) -> Dict[str, Optional[str]]:
    """The applications' names with their routes; None where only the application itself knows."""
    if job["config"] is not None:
        return {app.get("name", "default"): app.get("route_prefix") for app in job["config"]["applications"]}
    return {entry["name"]: entry["route"] or "" for entry in job["applications"]}


def head_id() -> str:
    """The head's node. A driver's own may be any node of this machine: they have one address."""
    import ray

    heads = [node["NodeID"] for node in ray.nodes() if HEAD_RESOURCE in node.get("Resources", {})]
    return str(heads[0] if heads else ray.get_runtime_context().get_node_id())


def doors_of(job: Dict[str, Any]) -> Dict[str, Any]:
    """How Serve is to be reached: what it takes when it starts, and never again."""
    config = job["config"]
    if config is None:
        return {"proxy_location": "HeadOnly", "http": dict(job["http"]), "grpc": {}}
    grpc = config.get("grpc_options") or {}
    return {
        "proxy_location": config.get("proxy_location"),
        "http": dict(config.get("http_options") or {}),
        "grpc": grpc if grpc.get("grpc_servicer_functions") else {},
    }


def open_doors(job: Dict[str, Any], deployed: remembered.Deployed, status: Status) -> None:
    """A running Serve ignores other HTTP or gRPC options than it was started with: it is ended, and starts anew."""
    from ray import serve

    doors = doors_of(job)
    if deployed.doors not in (None, doors):
        status.write("starting", "Serve anew: its HTTP or gRPC options have changed")
        serve.shutdown()
        deployed.drop(deployed.names)
    deployed.open(doors)


def submit(
    job: Dict[str, Any],
    targets: List[Any],
    wanted: Dict[str, Optional[str]],
    deployed: remembered.Deployed,
    status: Status,
    deadline: float,
) -> None:
    """Tell Serve what to run. What an earlier deployment has left goes when the new one has been accepted, and before
    only where it holds a route. What somebody else has deployed stays."""
    from ray import serve

    by_config = job["config"] is not None
    # A Ray without `run_many` waits for each application, which may need the CPUs of what nobody wants any more.
    waits = not by_config and not hasattr(serve, "run_many")
    delete(deployed.names - set(wanted) if waits else deployed.in_the_way(wanted, by_config=by_config))
    deployed.add(wanted, by_config=by_config)
    if by_config:
        deploy_config(job, deployed.names, deadline)
    else:
        deploy_imported(job, targets, status, deadline)
    left = deployed.names - set(wanted)
    delete(left)
    deployed.drop(left)


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
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The driver has nothing to clean up that its end does not: Ray's own shutdown would take a second.
    os._exit(code)

"""`ray start` from a warm fork: `python start.py OPTIONS start ...`; OPTIONS is a JSON object.

The command itself is Ray's own. What is changed around it: processes that it starts come from the template
(`launcher`); nobody waits for the dashboard and the agents, whose addresses are known; Ray's client server runs only
where it is wanted (`client_server`); so do the dashboard's modules (`dashboard_modules`, a list or `all`), whose files
go to a folder of the cluster's own (`temporary`); the head's log monitor reads the logs of all nodes (`logs_shared`:
they lie in one folder), and the others have none, where their folders can be reached (`gathering`); what has been
imported is let go once the node runs (`python` is the interpreter that watches it then, and starts its helpers again;
`restarts_gcs` counts the GCS among them: what it knows outlives it).
Each change is made only where this Ray has the function that it needs, under the name and with the
parameters that it had when this was written; elsewhere Ray's own way stays.
"""

import functools
import inspect
import json
import os
import shutil
import sys
from typing import Any, Callable, Dict, List

if not __package__:  # run as a file: its neighbours are found under a name that nobody else has, and nowhere else
    sys.modules["daybreak_programs"] = shelf = type(sys)("daybreak_programs")
    here = os.path.dirname(os.path.abspath(__file__))
    shelf.__path__ = [os.path.dirname(here)]
    sys.path[:] = [folder for folder in sys.path if folder != here]
    __package__ = "daybreak_programs.node"

from ..common import collector
from . import gathering

# Processes without which a node goes on, and which are started again. Ray's own command ends the node with any of them.
HELPERS = ("dashboard", "log_monitor", "monitor", "ray_client_server")
GCS, STORAGE = "gcs_server", "RAY_gcs_storage"


def parameters(function: Any) -> List[str]:
    """The names of a function's parameters; empty for what is none."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def do_not_wait_for_dashboard(services: Any, internal_kv: Any, constants: Any) -> None:
    """`start_api_server` asks the GCS for the dashboard's address until it is there, 2 s and more; with a port that was
    asked for the address is known before.

    Where no dashboard is wanted Ray starts one without a face, asks for its address all the same, and forgets it.
    """
    start = services.start_api_server
    key = getattr(constants, "DASHBOARD_ADDRESS", None)
    if not {"host", "port", "include_dashboard"} <= set(parameters(start)) or key is None:
        return

    @functools.wraps(start)
    def started(*args: Any, **kwargs: Any) -> Any:
        bound = inspect.signature(start).bind(*args, **kwargs).arguments
        if bound.get("include_dashboard") is None or not bound.get("port"):
            return start(*args, **kwargs)
        get = internal_kv._internal_kv_get
        address = f"{bound['host']}:{bound['port']}".encode()
        internal_kv._internal_kv_get = lambda asked, *a, **k: address if asked == key else get(asked, *a, **k)
        try:
            return start(*args, **kwargs)
        finally:
            internal_kv._internal_kv_get = get

    services.start_api_server = started


def change_dashboard(services: Any, constants: Any, options: Dict[str, Any], known: Callable[[], List[str]]) -> None:
    """The dashboard takes the names of its modules as an argument that `ray start` does not pass on.

    Older dashboards run every module in one process: leaving one out saves little there, and `known` is empty. Its
    temporary files lie where they are deleted with the cluster: it does not delete them where it is killed.
    """
    start, names, temporary = services.start_ray_process, options["dashboard_modules"], options["temporary"]
    if parameters(start)[:4] != ["command", "process_type", "fate_share", "env_updates"]:
        return

    @functools.wraps(start)
    def started(command: List[str], process_type: str, fate_share: bool, env_updates: Any = None, **rest: Any) -> Any:
        if process_type == constants.PROCESS_TYPE_DASHBOARD:
            there = [name for name in names if name in known()] if names != "all" else []
            if there and not any("--modules-to-load" in word for word in command):
                command = [*command, f"--modules-to-load={','.join(there)}"]
            shutil.rmtree(temporary, ignore_errors=True)
            os.mkdir(temporary, 0o700)
            env_updates = {**(env_updates or {}), "TMPDIR": temporary}
        return start(command, process_type, fate_share, env_updates, **rest)

    services.start_ray_process = started


def dashboard_modules() -> List[str]:
    """The modules of this Ray's dashboard where they are processes. Read from files: to import them takes a second."""
    import pathlib
    import re

    import ray

    found = []
    for file in (pathlib.Path(ray.__file__).parent / "dashboard" / "modules").glob("*/*_head.py"):
        found += re.findall(r"^class (\w+)\(.*(SubprocessModule|DashboardHeadModule)", file.read_text(), re.MULTILINE)
    processes = any(base == "SubprocessModule" for _, base in found)
    return [name for name, _ in found] if processes else []


def do_not_wait_for_agents(services: Any, raylet: Any) -> None:
    """A raylet registers only when its agents have left their ports in files, a second and more. The ports are given,
    so the files can be written before."""
    start = services.start_raylet
    persist = getattr(raylet, "persist_port", None)
    names = {
        "dashboard_agent_listen_port": getattr(raylet, "DASHBOARD_AGENT_LISTEN_PORT_NAME", None),
        "metrics_agent_port": getattr(raylet, "METRICS_AGENT_PORT_NAME", None),
        "metrics_export_port": getattr(raylet, "METRICS_EXPORT_PORT_NAME", None),
        "runtime_env_agent_port": getattr(raylet, "RUNTIME_ENV_AGENT_PORT_NAME", None),
    }
    if persist is None or not {"node_id", "session_dir", *names} <= set(parameters(start)):
        return

    @functools.wraps(start)
    def started(*args: Any, **kwargs: Any) -> Any:
        bound = inspect.signature(start).bind(*args, **kwargs).arguments
        for name, file in names.items():
            if bound.get(name) and file:
                persist(bound["session_dir"], bound["node_id"], file, bound[name])
        if all(bound.get(name) and file for name, file in names.items()):
            os.environ["DAYBREAK_AGENTS_MAY_WAIT"] = "1"  # read by the template: see warm/listen_for.py
        return start(*args, **kwargs)

    services.start_raylet = started


def without_client_server(node: Any) -> None:
    """`ray start --head` has no flag to leave it out."""
    if parameters(getattr(node.Node, "start_ray_client_server", None)) == ["self"]:
        node.Node.start_ray_client_server = lambda _self: None


def one_log_monitor(services: Any, constants: Any, node: Any, command: Any, shared: bool) -> None:
    """Each node has a log monitor of its own, 30 MB and some tenths of a second; Ray itself wants one per machine.

    Where the nodes' logs are `shared`, in one folder, every line would be told as often as there are nodes. Head and
    workers come to the same decision: it follows from Ray's files alone.
    """
    if not shared and not gathering.can_gather(services.__file__):
        return
    if "--head" not in sys.argv:
        flag = "--include-log-monitor"
        if any(flag in option.opts for option in command.params):
            sys.argv.append(f"{flag}=false")
        elif parameters(getattr(node.Node, "start_log_monitor", None)) == ["self"]:
            node.Node.start_log_monitor = lambda _self: None
        return
    if shared:
        return
    start = services.start_ray_process
    here = os.path.dirname(os.path.abspath(__file__))

    @functools.wraps(start)
    def started(command: List[str], process_type: str, *args: Any, **kwargs: Any) -> Any:
        if process_type == constants.PROCESS_TYPE_LOG_MONITOR:
            place = [word.endswith(gathering.PROGRAM) for word in command].index(True)
            command = [*command[:place], os.path.join(here, "log_monitor.py"), *command[place:]]
        return start(command, process_type, *args, **kwargs)

    services.start_ray_process = started


def as_told(kind: str, info: Any, constants: Any, options: Dict[str, Any]) -> Dict[str, Any]:
    """One of the node's processes for `watch.py`, from what Ray knows of it."""
    if kind not in HELPERS and not (kind == GCS and options.get("restarts_gcs")):
        return {"name": kind}
    env = {"TMPDIR": options["temporary"]} if kind == constants.PROCESS_TYPE_DASHBOARD else {}
    return {
        "name": kind,
        "command": info.process.args,
        "env": env,
        "out": getattr(info, "stdout_file", None),
        "err": getattr(info, "stderr_file", None),
    }


def store_for_the_gcs_alone(services: Any, constants: Any) -> None:
    """What the raylet starts does not hear of the GCS's storage: a Ray that a task starts for itself would take it."""
    start = services.start_ray_process
    if parameters(start)[:4] != ["command", "process_type", "fate_share", "env_updates"]:
        return

    @functools.wraps(start)
    def started(command: List[str], process_type: str, fate_share: bool, env_updates: Any = None, **rest: Any) -> Any:
        if process_type == constants.PROCESS_TYPE_RAYLET:
            env_updates = {**(env_updates or {}), STORAGE: "memory"}
        return start(command, process_type, fate_share, env_updates, **rest)

    services.start_ray_process = started


def let_go(node: Any, constants: Any, options: Dict[str, Any]) -> None:
    """`ray start --block` looks once a second for processes that have ended, and keeps 50 MB of modules for that. When
    it looks for the first time, a small program takes this process over: the same process, with the same children."""
    if parameters(getattr(node.Node, "dead_processes", None)) != ["self"]:
        return
    ended = node.Node.dead_processes

    @functools.wraps(ended)
    def looked(self: Any) -> Any:
        found = ended(self)
        processes = getattr(self, "all_processes", None)
        if found or not isinstance(processes, dict):
            return found
        children = {
            info.process.pid: as_told(kind, info, constants, options)
            for kind, infos in processes.items()
            for info in infos
        }
        python, here = options["python"], os.path.dirname(os.path.abspath(__file__))
        sys.stdout.flush()
        sys.stderr.flush()
        # Not as an argument: who looks for a helper by its command line would find this one.
        told = os.memfd_create("children", 0)
        os.write(told, json.dumps(children).encode())
        os.lseek(told, 0, os.SEEK_SET)
        return os.execv(python, [python, "-IS", os.path.join(here, "watch.py"), str(told)])

    node.Node.dead_processes = looked


def command_line() -> Any:
    """Ray's command line without what its other commands need, Serve among it: twice as much as `start` needs. It does
    without what cannot be imported."""
    absent: Any = None
    names = ("ray.serve.scripts", "ray.dashboard.modules.job.cli", "ray.util.state.state_cli")
    left_out = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(left_out, absent))
    try:
        from ray.scripts import scripts
    except ImportError:
        scripts = None
    for name in left_out:
        del sys.modules[name]
    if scripts is None:
        from ray.scripts import scripts
    return scripts


def prepare(options: Dict[str, Any]) -> Callable[[], None]:
    """Make the changes; returns Ray's command line."""
    sys.executable = options["launcher"]
    import ray
    import ray._private.node
    import ray._private.ray_constants as constants
    import ray._private.services
    import ray.experimental.internal_kv

    services: Any = ray._private.services
    do_not_wait_for_agents(services, ray._raylet)
    do_not_wait_for_dashboard(services, ray.experimental.internal_kv, constants)
    change_dashboard(services, constants, options, dashboard_modules)
    if not options["client_server"]:
        without_client_server(ray._private.node)
    if options.get("restarts_gcs"):
        store_for_the_gcs_alone(services, constants)
    let_go(ray._private.node, constants, options)
    scripts = command_line()
    if options["gathering"]:
        one_log_monitor(services, constants, ray._private.node, scripts.start, options["logs_shared"])
    main: Callable[[], None] = scripts.main
    return main


def main() -> None:
    options = json.loads(sys.argv[1])
    sys.argv = ["ray", *sys.argv[2:]]
    with collector.resting():
        command = prepare(options)
    command()


if __name__ == "__main__":
    main()

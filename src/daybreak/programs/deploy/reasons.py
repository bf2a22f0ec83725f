"""Why Serve's applications do not run, in the words of the person who wrote them.

Pure text, but for `end_of_actor`, which reads log files.
"""

import ast
import glob
import os
import re
import signal
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from . import frames
from .frames import Explanation

LAST_LINES = 8
LAST_BYTES = 16384
# What Serve says before it comes to the point.
_PROSE = re.compile(
    r"^(The deployment failed to start \d+ times in a row\.|A replica failed to start with exception\.|"
    r"This may be due to a problem with its constructor or initial health check failing\.|"
    r"See controller logs for details\.|Retrying[^.]*\.|Failed to update the deployments .*\.?|"
    r"The deployments \[.*\] are UNHEALTHY\.|Error:|Deploying app .* failed with exception:|\s)+"
)
_NO_PLACE = re.compile(
    r"has (?P<count>\d+) replicas? that ha(?:s|ve) taken more than .*?Resources required for each replica: "
    r"(?P<needs>[\[{].*?[\]}])(?:, total resources available: (?P<free>\{.*?\}))?",
    re.DOTALL,
)
_SLOW = re.compile(r"has (?P<count>\d+) replicas? that ha(?:s|ve) taken more than (?P<time>\S+) to initialize")
_ENVIRONMENT = ("runtime env", "runtime_env", "Runtime env")
_DIED = ("ActorDiedError", "RayActorError", "WorkerCrashedError")
# Of a program that installs packages: the line that says why it could not.
_COMPLAINT = re.compile(r"^\s*(?:ERROR|error|fatal): ?(?P<text>.+)$|^\s*(?P<uv>× .+)$", re.MULTILINE)
_OWN_NOTES = (":job_id:", ":actor_name:", ":task_name:")


class Deployment(NamedTuple):
    """What Serve says of one deployment."""

    name: str
    status: str
    message: str


class Application(NamedTuple):
    """What Serve says of one application; no status where it does not know it yet."""

    name: str
    status: str
    message: str
    deployments: List[Deployment]


def read(name: str, state: Any) -> Application:
    """An application as `serve.status()` has it."""
    if state is None:
        return Application(name, "", "", [])
    found = [Deployment(key, _value(d.status), d.message or "") for key, d in state.deployments.items()]
    return Application(name, _value(state.status), state.message or "", found)


def why_failed(
    app: Application,
    base: str = "",
    own: Sequence[str] = (),
    end_of: Callable[[str], "Optional[End]"] = lambda _: None,
) -> "Explanation":
    """The reason why an application does not come up, and what to read about it.

    `end_of` tells of the last process of a deployment's replica, for one that ended without a word of its own.
    """
    among = "" if app.name == "default" else " of " + app.name
    # One that has fallen tells more than those that wait for it.
    for deployment in sorted(app.deployments, key=lambda d: d.status not in ("UNHEALTHY", "DEPLOY_FAILED")):
        if deployment.status == "HEALTHY" or not deployment.message.strip():
            continue
        told = _of_message(deployment.message, base, own)
        if told.reason.startswith(DIED):
            told = _with_end(told, end_of(deployment.name))
        return told._replace(reason=f"deployment {deployment.name}{among}: {told.reason}")
    told = _of_message(app.message, base, own)
    return told._replace(reason=f"application {app.name}: {told.reason or app.status}")


DIED = "the process of its replica ended without a Python error"


def _with_end(told: "Explanation", end: "Optional[End]") -> "Explanation":
    if end is None:
        return told
    lines = [f"process {end.pid} wrote last:", *("  " + line for line in end.lines)] if end.lines else told.lines
    return Explanation(f"{DIED}: {end.how}" if end.how else told.reason, lines)


def _of_message(message: str, base: str, own: Sequence[str]) -> "Explanation":
    """What one message of Serve's comes to."""
    place = _NO_PLACE.search(message)
    if place:
        return Explanation(_no_place(place), [])
    slow = _SLOW.search(message)
    if slow:
        return Explanation(f"{_replicas(int(slow['count']))} still in the constructor after {slow['time']}", [])
    told = frames.explain(message, base, own)
    if any(mark in message for mark in _ENVIRONMENT) and (told is None or _is_rays(told)):
        complaints = [m["text"] or m["uv"] for m in _COMPLAINT.finditer(message)]
        why = complaints[-1] if complaints else _last_output(message) or (told.reason if told else _first_line(message))
        lines = ["ERROR: " + line.strip() for line in complaints[-4:-1]]
        return Explanation(
            "its runtime environment cannot be made: " + why.strip(), lines or (told.lines if told else [])
        )
    if told is not None:
        return told
    first = _first_line(message)
    if first.startswith(_DIED):
        return Explanation(DIED + ": a crash in native code, os._exit, or it was killed", [])
    rest = [line for line in message[message.find(first) :].splitlines()[1:] if line.strip()] if first else []
    return Explanation(first, rest[: frames.MOST_LINES])


def _is_rays(told: "Explanation") -> bool:
    return not any(not line.startswith(("…", " ")) for line in told.lines)


def _last_output(message: str) -> str:
    """The last line that a program of Ray's has written that was to make something."""
    _, found, output = message.partition("of stdout:")
    return output.strip().splitlines()[-1].strip() if found and output.strip() else ""


def _first_line(message: str) -> str:
    """The first line with something in it that is not Serve's prose."""
    plain = _PROSE.sub("", message).strip()
    return plain.splitlines()[0].strip() if plain else message.strip().split("\n")[0]


def _no_place(place: "re.Match[str]") -> str:
    """Serve says the same of a replica that fits nowhere and of one whose runtime environment is still being made."""
    needed, free = _amounts(place["needs"]), _amounts(place["free"] or "")
    asks = f"asks for {_listed(needed) or 'nothing'}"
    who = _replicas(int(place["count"]))
    if place["free"] and all(free.get(name, 0) >= amount for name, amount in needed.items()):
        return f"{who} waiting for a place ({asks}, which is free), or for a runtime environment to be installed"
    have = f"; free are {_listed(free) or 'none'}" if place["free"] else ""
    return f"no node has room for {who}: each {asks}{have}"


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count} replicas"


def _amounts(text: str) -> Dict[str, float]:
    """`{"CPU": 2.0, "GPU": 1}`, or the sum of a list of such; what only marks nodes is left out."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {}
    wanted: Dict[str, float] = {}
    for bundle in found if isinstance(found, list) else [found]:
        for name, amount in bundle.items() if isinstance(bundle, dict) else ():
            if not name.startswith("node:") and name != "object_store_memory":
                wanted[name] = wanted.get(name, 0) + amount
    return wanted


def _listed(amounts: Dict[str, float]) -> str:
    """`2 CPU, 1.5 GiB memory`."""
    return ", ".join(
        f"{amount / 2**30:.1f} GiB memory" if name == "memory" else f"{amount:g} {name}"
        for name, amount in amounts.items()
    )


def why_not_yet(app: Application) -> str:
    """What is waited for, in one line."""
    if not app.status:
        return f"{app.name}: not known to Serve yet"
    said = []
    for deployment in app.deployments:
        if deployment.status == "HEALTHY":
            continue
        message = deployment.message.strip()
        why = _of_message(message, "", ()).reason if message else deployment.status.lower().replace("_", " ")
        said.append(f"{deployment.name}: {why}")
    if not said:
        message = _first_line(app.message) if app.message.strip() else ""
        said = [message or app.status.lower().replace("_", " ")]
    return "; ".join(said) if app.name == "default" else "{}: {}".format(app.name, "; ".join(said))


class End(NamedTuple):
    """The end of a process: how, where that is known, and the last lines that it has written."""

    pid: str
    how: str
    lines: List[str]


def end_of_actor(folders: Sequence[str], ends: str, actor: str) -> Optional[End]:
    """The end of the youngest process of an actor, which is found by the name that Ray writes first.

    `folders` are Ray's log folders, as patterns of `glob`; `ends` is where the template notes how its forks ended.
    """
    files = [name for folder in folders for name in glob.glob(folder + "/worker-*")]
    for path in sorted(files, key=_changed, reverse=True):
        if ":actor_name:" + actor not in _read(path).splitlines():
            continue
        stem, _ = os.path.splitext(path)
        pid = stem.rpartition("-")[2]
        written = [line for end in (".out", ".err") for line in _read(stem + end).splitlines()]
        plain = [line[: frames.WIDEST] for line in written if line.strip() and not line.startswith(_OWN_NOTES)]
        return End(pid, _how(ends, pid), plain[-LAST_LINES:])
    return None


def _how(ends: str, pid: str) -> str:
    codes = [line.split()[1] for line in _read(ends).splitlines() if line.startswith(pid + " ")]
    if not codes:
        return ""
    code = int(codes[-1])
    if code >= 0:
        return f"it exited with code {code}"
    try:
        return f"it was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was killed by signal {-code}"


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _read(path: str) -> str:
    """The beginning and the end of a file."""
    try:
        with open(path, "rb") as file:
            begin = file.read(LAST_BYTES)
            file.seek(0, os.SEEK_END)
            if file.tell() > LAST_BYTES:
                file.seek(max(LAST_BYTES, file.tell() - LAST_BYTES))
                begin += b"\n" + file.read()
    except OSError:
        return ""
    return begin.decode(errors="replace")


def _value(status: Any) -> str:
    return str(getattr(status, "value", status))


def of_error(error: BaseException, text: str, base: str, own: Sequence[str]) -> "Explanation":
    """Of an exception of this process, with its traceback as text."""
    told: Optional[Explanation] = frames.explain(text, base, own)
    return told or Explanation(f"{type(error).__name__}: {error}".splitlines()[0], [])

"""Try what a deployment is to deploy, before anything that runs is touched: `python vet.py REQUEST.json REPORT.json`.

A program of Ray's interpreter, for one look: it checks a Serve config by Ray's schema, imports and builds every
application, and ends. Nothing is deployed, no cluster is connected to. The request is that of `deploy.py`, with `nodes`
(see `shortage.py`). The report (JSON): `problems` (reason, lines, hint), `unknown` (what could not be tried, and why),
`asks` (see `shortage.py`).
"""

import contextlib
import json
import os
import sys
import threading
import traceback
from typing import Any, Dict, Iterator, List

if not __package__:  # run as a file: its neighbours are found under a name that nobody else has, and nowhere else
    sys.modules["daybreak_programs"] = shelf = type(sys)("daybreak_programs")
    here = os.path.dirname(os.path.abspath(__file__))
    shelf.__path__ = [os.path.dirname(here)]
    sys.path[:] = [folder for folder in sys.path if folder != here]
    __package__ = "daybreak_programs.deploy"

from ..common.whole_file import write_json
from . import code_folder, demands, diverted, loading, shortage

# Of a runtime environment: with any of these the code, or what it imports, is not what is here.
ELSEWHERE = ("working_dir", "py_modules", "pip", "uv", "conda", "container", "image_uri", "py_executable")


class NeedsCluster(BaseException):
    """The application reaches for Ray while it is imported: this process has none, and must not use the running one.

    Not an Exception: what an application does without Ray is not what it will do.
    """


def vet(job: Dict[str, Any]) -> Dict[str, Any]:
    """The report. Every application is tried, whatever became of the others."""
    problems: List[Dict[str, Any]] = []
    unknown: List[str] = []
    asked: List[Dict[str, Any]] = []
    for entry in _entries(job, problems):
        elsewhere = [key for key in ELSEWHERE if entry["runtime_env"].get(key)]
        if elsewhere:
            unknown.append(f"application {entry['name']}: its runtime_env has {', '.join(elsewhere)}")
            continue
        try:
            with diverted.diverted(_no_cluster, _no_cluster), _environment(entry["runtime_env"].get("env_vars") or {}):
                built = loading.load(entry)
            asked += demands.demands_of(built, entry["name"], entry["deployments"])
        except loading.Refused as error:
            problems.append({"reason": error.reason, "lines": error.lines})
        except NeedsCluster as error:
            unknown.append(f"application {entry['name']}: it needs Ray while it is imported{error}")
    short = shortage.shortage(asked, demands.with_what_ray_finds(job["nodes"])) if not scaled(job) else None
    if short:
        problems.append({"reason": short.reason, "lines": [], "hint": short.hint})
    return {"problems": problems, "unknown": unknown, "asks": asked}


def scaled(job: Dict[str, Any]) -> bool:
    """A target capacity scales the numbers of replicas: nothing certain can be said of them."""
    return (job["config"] or {}).get("target_capacity") is not None


def _entries(job: Dict[str, Any], problems: List[Dict[str, Any]]) -> Iterator[Dict[str, Any]]:
    """The applications, in the words of a request, wherever they are written."""
    if job["config"] is None:
        for entry in job["applications"]:
            yield {**entry, "runtime_env": {}, "deployments": []}
        return
    try:
        loading.check_config(job["config"], job.get("config_file") or "the Serve config")
    except loading.Refused as error:
        problems.append({"reason": error.reason, "lines": error.lines})
        return
    for app in job["config"]["applications"]:
        yield {
            "import": app["import_path"],
            "name": app.get("name", "default"),
            "args": app.get("args") or {},
            "runtime_env": app.get("runtime_env") or {},
            "deployments": app.get("deployments") or [],
        }


def _no_cluster(*_: Any, **__: Any) -> Any:
    place = loading.place_of(traceback.extract_stack())
    raise NeedsCluster(f" ({place})" if place else "")


@contextlib.contextmanager
def _environment(variables: Dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update({name: str(value) for name, value in variables.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def give_up(report: str, after_s: float) -> None:
    """Tell where an import hangs that takes longer than that, and end: whoever waits would only know that it does."""

    def end() -> None:
        stack = traceback.extract_stack(sys._current_frames()[threading.main_thread().ident or 0])
        place = loading.place_of(stack)
        reason = f"the applications are not imported within {after_s:g} s{f': they wait in {place}' if place else ''}"
        write_json(report, {"problems": [{"reason": reason, "lines": []}], "unknown": [], "asks": []})
        os._exit(0)

    timer = threading.Timer(after_s, end)
    timer.daemon = True
    timer.start()


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    code_folder.work_in(job)
    loading.find_the_applications()
    give_up(sys.argv[2], float(job["timeout_s"]))
    try:
        report = vet(job)
    except Exception as error:  # our own fault, or a Ray that is another one: no reason to refuse anything
        report = {"problems": [], "unknown": [f"everything: {type(error).__name__}: {error}"], "asks": []}
    write_json(sys.argv[2], report)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    # What the application has started at its import is not waited for.
    os._exit(0)

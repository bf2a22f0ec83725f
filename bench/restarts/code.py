"""The application of bench/app/loaded.py in other versions, good and bad ones, and what starts it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from bench.commands import APP_FOLDER
from bench.measure import HOST, SERVE_PORT
from bench.systems import Application

FILE = APP_FOLDER / "loaded.py"
SERVE_CONFIG = "loaded-serve.yaml"
COMPOSE_FILE, COMPOSE_SERVE_CONFIG = "compose.yaml", "compose-serve.yaml"
# Where containers see the folder.
MOUNTED = "/code"
NODES = ("head", "worker", "serve")
# Code that is never healthy is given up after this time.
START_TIMEOUT = "45s"
OLD, NEW = "1", "2"
# daybreak finds the spec in the folder in which its commands run.
LOADED = Application("loaded:main", ())


class Change(Enum):
    """What becomes of the code before the event. BACK: it stays NEW, and the event brings OLD."""

    NONE = "none"
    NEW = "new"
    BACK = "back"
    DOES_NOT_IMPORT = "does not import"
    NEVER_HEALTHY = "never healthy"
    FAILS_ON_REQUESTS = "fails on requests"

    @property
    def bad(self) -> bool:
        """Whether the event is to be refused, or taken back."""
        return self in (Change.DOES_NOT_IMPORT, Change.NEVER_HEALTHY, Change.FAILS_ON_REQUESTS)

    @property
    def before(self) -> str:
        """The version that answers before the event."""
        return NEW if self is Change.BACK else OLD

    @property
    def after(self) -> str:
        """The one that is to answer after it."""
        return NEW if self is Change.NEW else OLD


def write(folder: Path, version: str, change: Change = Change.NONE, start_timeout: str = START_TIMEOUT) -> None:
    """The application in that version, bad where the change is, and what each system is told of it."""
    text = app(
        version,
        imports=change != Change.DOES_NOT_IMPORT,
        healthy=change != Change.NEVER_HEALTHY,
        answers=change != Change.FAILS_ON_REQUESTS,
    )
    (folder / FILE.name).write_text(text)
    applications = [{"import": LOADED.serve_run}]
    _dump(folder / "daybreak.yaml", {"serve": {"applications": applications, "start_timeout": start_timeout}})
    deployed = {
        "name": "default",
        "route_prefix": "/",
        "import_path": LOADED.serve_run,
        # Serve looks for changes in the config, not in the code.
        "runtime_env": {"env_vars": {"CODE_VERSION": version}},
    }
    options = {"host": HOST, "port": SERVE_PORT}
    _dump(folder / SERVE_CONFIG, {"http_options": options, "applications": [deployed]})
    everywhere = {"host": "0.0.0.0", "port": SERVE_PORT}
    _dump(folder / COMPOSE_SERVE_CONFIG, {"http_options": everywhere, "applications": [deployed]})
    _dump(folder / COMPOSE_FILE, _compose(folder, version))


def _compose(folder: Path, version: str) -> dict[str, Any]:
    """The nodes of the other comparison with containers. Of other code there is another image, so that Compose replaces
    every container: here a variable does the same."""
    whole = yaml.safe_load((APP_FOLDER / "compose" / "compose.yaml").read_text())
    services = {name: whole["services"][name] for name in NODES}
    for service in services.values():
        service["environment"] |= {"CODE_VERSION": version, "PYTHONPATH": MOUNTED}
        service["volumes"], service["working_dir"] = [f"{folder}:{MOUNTED}:ro"], MOUNTED
    services["serve"]["command"][-1] = COMPOSE_SERVE_CONFIG
    del services["head"]["depends_on"]
    return {"name": "bench-restart", "services": services}


def _dump(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content))


def app(version: str, *, imports: bool = True, healthy: bool = True, answers: bool = True) -> str:
    """The application's text; `version` is what its answers say.

    Without `imports` its import fails, without `healthy` no replica passes its health check, without `answers` it
    answers everything with status 500.
    """
    text = FILE.read_text()
    for name, value in (("VERSION", version), ("HEALTHY", healthy), ("ANSWERS", answers)):
        text = _with(text, name, value)
    return text if imports else text + '\nraise RuntimeError("this version does not import, on purpose")\n'


def _with(text: str, name: str, value: object) -> str:
    lines = text.splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if line.startswith(f"{name} = "))
    new = f'"{value}"' if isinstance(value, str) else repr(value)
    return "".join([*lines[:place], f"{name} = {new}\n", *lines[place + 1 :]])

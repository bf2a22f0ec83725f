"""Everything that can be wrong with `dev` before anything is started."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from daybreak import api
from daybreak.cli.dev.acting import Acting
from daybreak.cli.dev.asked import Asked
from daybreak.cli.dev.reload import Reload
from daybreak.cli.dev.screen import Screen
from daybreak.cli.dev.script import Script
from daybreak.cli.dev.session import Session
from daybreak.cli.dev.stopping import Stopping
from daybreak.errors import UsageError
from daybreak.extras.dev import stops
from daybreak.extras.dev.browser.door import Door, bind
from daybreak.extras.dev.ignoring import ignoring
from daybreak.extras.dev.imported import Elsewhere
from daybreak.extras.dev.packages import Packages, packages_of
from daybreak.extras.dev.replaced import BOOK
from daybreak.extras.dev.tree import Tree
from daybreak.extras.dev.watching import tells_nothing
from daybreak.names import SERVE
from daybreak.paths import ClusterPaths
from daybreak.programs.deploy.sources import CODE_FILE
from daybreak.services.slots import Slot
from daybreak.spec.find import spec_files
from daybreak.spec.handing import handed_files
from daybreak.spec.variables import FILE as VARIABLES

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec

# An interpreter that says whether it has a module.
ASK_S = 30.0


def prepare(asked: Asked, ignore: tuple[str, ...], poll: bool, as_json: bool, command: Sequence[str]) -> Session:
    """Everything that can be wrong before anything is started. Raises UsageError and SpecError."""
    spec = asked.spec()
    name = spec.spec.name if spec else api.resolve_name(asked.name)
    deploys = spec is None or spec.spec.serve.wanted
    if not deploys and not command:
        hint = (
            "name one in the spec (serve.applications), with --app app:main, or a program: daybreak dev -- python x.py"
        )
        raise UsageError("there is no application to reload; nothing was started", hint=hint)
    _require_program(command, spec)
    if asked.debug:
        _require_debugger(spec)
    folder = Path(os.path.realpath(spec.base if spec else Path.cwd()))
    handed = handed_files(spec.spec, folder) if spec else []
    named = {Path(os.path.realpath(file)) for file in (*spec_files(asked.file, folder), folder / VARIABLES, *handed)}
    if spec and spec.spec.serve.config:
        named.add(folder / spec.spec.serve.config)
    paths = ClusterPaths.of(name)
    places = (paths.runtime, paths.runtime / f"{SERVE}{Slot.B.suffix}")
    books = [place / CODE_FILE for place in places]
    tree = Tree(folder, frozenset(named), ignoring(folder, ignore), Elsewhere(books))
    screen = Screen(as_json=as_json)
    # Another interpreter may read another Python.
    compiles = spec is None or spec.spec.ray.python is None
    reload = Reload(folder, screen, asked.bring_up(name), compiles, deploys, tree.named, alone=not command)
    reload.books = [place / BOOK for place in places]
    script = Script(name, command, screen) if command else None
    poll = poll or tells_nothing(folder)
    acting = Acting(paths, screen, reload, asked.restart(name), script)
    # Containers have packages of their own, which an image brings.
    own = spec is not None and not spec.spec.in_containers
    packages = packages_of(python_of(spec)) if spec and own else Packages(frozenset())
    return Session(paths, tree, screen, reload, acting, poll, packages)


def python_of(spec: LoadedSpec) -> str | None:
    """The interpreter that the spec names for Ray, if it does."""
    python = spec.spec.ray.python
    return os.path.join(spec.base, os.path.expanduser(python)) if python else None


def door(session: Session, asked: Asked) -> Door | None:
    """Beside Serve's own port, if nobody has that; None, which is told, where there is none at all."""
    spec = asked.spec()
    try:
        listening = bind(spec.spec.ports.serve + spec.spec.ports.offset + 1 if spec else 0)
    except OSError as error:
        session.screen.say(f"without an address whose pages show what is wrong: {error}")
        return None
    return Door(listening, session.reload.notices)


def _require_program(command: Sequence[str], spec: LoadedSpec | None) -> None:
    """Raises UsageError where the program is certainly not there: containers and other interpreters have their own."""
    own = spec is not None and spec.spec.backend == "process" and spec.spec.ray.python is None
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    if command and own and shutil.which(command[0], path=places) is None:
        raise UsageError(f"cannot run {command[0]}: there is no such program; nothing was started")


def _require_debugger(spec: LoadedSpec | None) -> None:
    """Raises UsageError where replicas could not let one in."""
    why = ""
    if spec is None:
        why, hint = "the cluster has no spec file", "name the application with --app, or write a daybreak.yaml"
    elif spec.spec.in_containers:
        why, hint = "the cluster is in containers", "`backend: process` while you look for the fault"
    elif not spec.spec.warm.enabled:
        why, hint = "the warm template is off, which lets debuggers in", "leave `warm: false` out meanwhile"
    elif not _has_debugpy(spec):
        python = spec.spec.ray.python or sys.executable
        why, hint = f"debugpy is not installed for {python}", f"{python} -m pip install debugpy"
    if why:
        raise UsageError(f"--debug: {why}; nothing was started", hint=hint)


def _has_debugpy(spec: LoadedSpec) -> bool:
    python = python_of(spec)
    if python is None:
        return importlib.util.find_spec("debugpy") is not None
    try:
        words = [python, "-c", "import debugpy"]
        return subprocess.run(words, capture_output=True, timeout=ASK_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def stopping(session: Session, asked: Asked) -> Stopping | None:
    """Where programs of the cluster tell that they stop; None, which is told, where nobody can listen."""
    spec = asked.spec()
    if spec and spec.spec.in_containers:
        session.screen.say("a breakpoint() gets no prompt here: the cluster is in containers, where Ray's own counts")
        return None
    try:
        listening = stops.listen(session.paths.breakpoints)
    except OSError as error:
        session.screen.say(f"a breakpoint() gets no prompt here: {error}")
        return None
    if listening is None:
        session.screen.say("a breakpoint() gets its prompt at another `daybreak dev` of this cluster")
        return None
    return Stopping(session.tree.folder, session.screen, listening)

"""Imports are tried in a fork that is thrown away: what makes a template unsafe never comes into it.

The fork imports one name after another, tells how each went, and ends at the first that does harm. It says which module
did it (pandas imports pyarrow, and that starts threads) and what was importing that one: all of these are refused, with
what lies below them.
"""

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import sys
import time
import warnings
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from . import effects

PR_SET_PDEATHSIG = 1
# An import that takes longer hangs.
IMPORT_S = 120.0
NAP_MS = 250
ENDS = "it ends the process when it is imported"
HANGS = f"its import takes longer than {IMPORT_S:g} s"


class Verdict:
    """How one attempt went: `good` names in order; `failed` and `refused` with why; `left` have not been tried."""

    def __init__(self, names: Sequence[str]) -> None:
        self.good: List[str] = []
        self.failed: Dict[str, str] = {}
        self.refused: Dict[str, str] = {}
        self.left = list(names)

    def hear(self, line: bytes) -> None:
        """One line of the fork's."""
        what, name, why = json.loads(line)
        if what == "refused":
            self.refused[name] = why
            return
        self.left.remove(name)
        if what == "good":
            self.good.append(name)
        else:
            self.failed[name] = why


def attempt(
    names: Sequence[str],
    refused: Mapping[str, str],
    shelved: Mapping[str, Any],
    check: Callable[[], str],
    turn: Callable[[int], Any],
    poll: Any,
) -> Verdict:
    """Try these names in a fork; meanwhile whatever else happens is handled by `turn`, which `poll` wakes up.

    `shelved` modules are there, too. `check` says in the fork what else is wrong after an import.
    """
    verdict = Verdict(names)
    ours, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    pid = os.fork()
    if pid == 0:
        sys.modules.update(shelved)
        _become(Attempt(refused, check, theirs), names, theirs)
    os.close(theirs)
    process = os.pidfd_open(pid)
    poll.register(ours, select.POLLIN)
    try:
        why = _listen(ours, verdict, turn)
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        poll.unregister(ours)
        os.close(ours)
        os.close(process)
    if verdict.left and not verdict.failed and below(verdict.left[0], verdict.refused) is None:
        verdict.refused[_outermost_new(verdict.left[0], {*sys.modules, *shelved})] = why
    return verdict


def _listen(fd: int, verdict: Verdict, turn: Callable[[int], Any]) -> str:
    """Until the fork has ended, or has said nothing for too long; returns which it was."""
    data = b""
    heard = time.monotonic()
    while time.monotonic() - heard < IMPORT_S:
        turn(NAP_MS)
        with contextlib.suppress(BlockingIOError):
            part = os.read(fd, 65536)
            if not part:
                return ENDS
            heard = time.monotonic()
            *lines, data = (data + part).split(b"\n")
            for line in lines:
                verdict.hear(line)
    return HANGS


def below(name: str, names: Mapping[str, str]) -> Optional[str]:
    """Which of `names` this module is, or lies in."""
    parts = name.split(".")
    return next((up for up in (".".join(parts[:n]) for n in range(1, len(parts) + 1)) if up in names), None)


def _outermost_new(name: str, loaded: Any) -> str:
    """The module with which the import of this name begins."""
    parts = name.split(".")
    return next((up for up in (".".join(parts[:n]) for n in range(1, len(parts))) if up not in loaded), name)


# --- in the fork ------------------------------------------------------------------------------------------------------


def _become(attempted: "Attempt", names: Sequence[str], out: int) -> None:
    """Never returns."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.set_blocking(out, True)
        _leave_files_alone(out)
        attempted.run(names)
    finally:
        os._exit(0)


def _leave_files_alone(out: int) -> None:
    """Those of launchers are not held open here, and what the modules print was not asked for."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fd > 2 and fd != out:
            with contextlib.suppress(OSError):  # the listing's own
                os.close(fd)


class Attempt:
    """The imports, and who is importing whom."""

    def __init__(self, refused: Mapping[str, str], check: Callable[[], str], out: int) -> None:
        self._refused = refused
        self._check = check
        self._out = out
        self._loading: List[str] = []

    def run(self, names: Sequence[str]) -> None:
        """Try them until one does harm."""
        bootstrap: Any = importlib._bootstrap
        if hasattr(bootstrap, "_load_unlocked"):
            bootstrap._load_unlocked = self._watched(bootstrap._load_unlocked)
        for name in names:
            if name in sys.modules:
                self._tell("good", name)
                continue
            first = _outermost_new(name, sys.modules)
            before = effects.look(closely=True)
            error = None
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    importlib.import_module(name)
            except BaseException as raised:
                error = f"{type(raised).__name__}: {raised}"
            harm = effects.harm(before, effects.look(closely=True)) or self._check()
            if error is not None:
                self._tell("failed", name, error)
                return  # half of it may be here now
            if harm:
                self._refuse([first], harm)
            self._tell("good", name)

    def _watched(self, load: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def watched(spec: Any) -> Any:
            self._loading.append(spec.name)
            known = below(spec.name, self._refused)
            if known is not None:
                self._refuse(self._loading, self._refused[known])
            if spec.name in ("ray", "_raylet"):
                self._refuse(self._loading[:-1] or ["ray"], "it imports Ray")
            before = effects.look()
            try:
                return load(spec)
            finally:
                harm = effects.harm(before, effects.look()) or self._check()
                if harm:
                    self._refuse(self._loading, harm)
                self._loading.pop()

        return watched

    def _refuse(self, loading: Sequence[str], why: str) -> None:
        """The last of them does the harm, the others import it: of each the outermost that is just being imported."""
        affected = [_outermost_of(name, loading) for name in loading]
        for name in dict.fromkeys(affected):
            itself = name == affected[-1]
            told = why if itself or why.startswith("it imports ") else f"it imports {affected[-1]}: {why}"
            self._tell("refused", name, told)
        os._exit(0)

    def _tell(self, what: str, name: str, why: str = "") -> None:
        os.write(self._out, json.dumps([what, name, why]).encode() + b"\n")


def _outermost_of(name: str, loading: Sequence[str]) -> str:
    parts = name.split(".")
    return next(up for up in (".".join(parts[:n]) for n in range(1, len(parts) + 1)) if up in loading)

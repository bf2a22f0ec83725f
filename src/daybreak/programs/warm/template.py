"""The warm template: a process with its imports done that forks itself on request.

`python template.py SETTINGS.json` runs in Ray's interpreter, with one thread, until it is told to end. It serves a
Unix socket in its folder: launchers ask for forks (see launcher.py for the words), the keeper for orders. Settings:
`folder`, `real` (the interpreter), `modules` (to import besides Ray's own needs), `learned` (a file with more of them),
`vendored` (folders that Ray puts in front of sys.path), `hold_s` (seconds for which what can wait does, from the start
on), `instance`.

A launcher whose fork runs is watched: when the launcher ends first, its fork is killed. When the template is killed its
forks live on, their launchers watch them, and the next template kills what has lost its launcher.
"""

import json
import os
import select
import signal
import sys
import time
from typing import Any, Dict

if not __package__:  # run as a file: its neighbours are found under a name that nobody else has, and nowhere else
    sys.modules["daybreak_programs"] = shelf = type(sys)("daybreak_programs")
    here = os.path.dirname(os.path.abspath(__file__))
    shelf.__path__ = [os.path.dirname(here)]
    sys.path[:] = [folder for folder in sys.path if folder != here]
    __package__ = "daybreak_programs.warm"

from . import connections, forks, fresh, imported, inside_fork, orders, registry, shortcut, turns
from .launcher import PROTOCOL

NAP_MS = 250


def say(text: str) -> None:
    """One line into the template's log; a full disk costs the line."""
    try:
        os.write(1, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


class Template:
    """The loop: accept, read, fork, reap."""

    def __init__(self, settings: Dict[str, Any]) -> None:
        self.settings = settings
        self.poll = select.poll()
        self.launchers: Dict[int, connections.Launcher] = {}
        self.ending = False
        self.imported = imported.Imported(settings, say, self.turn, self.poll, self._begin_anew)
        self.forks = forks.Forks(settings["folder"], self.poll, lambda: len(self.imported.names))
        self.inside_fork = inside_fork.InsideFork(settings["folder"], self.forks.records)
        self.turns = turns.Turns(self.poll, settings.get("hold_s", 0.0))
        self.orders = orders.Orders(settings, self.imported, self.forks, self.turns, say, self._forget)
        self.listener = connections.Listener(f"{settings['folder']}/{registry.SOCKET}")
        self.child_ended, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noted)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.poll.register(self.listener.socket, select.POLLIN)
        self.poll.register(self.child_ended, select.POLLIN)

    def _end(self, *_: Any) -> None:
        self.ending = True

    def run(self) -> None:
        """Import, then serve until told to end. Forks may be asked for from the first moment on."""
        self.orders.tell_state()
        self.forks.adopt()
        self.imported.warm_up(self.turns.imported)
        self.orders.stage = "running"
        self.orders.tell_state()
        while not self.ending:
            if not self.turn(NAP_MS):
                self.imported.tidy()
                self._mend()
            self.orders.import_modules()
            if self.orders.spares:
                self._make_spare()
        self.listener.unlink()

    def turn(self, timeout_ms: int) -> bool:
        """Handle whatever has happened; False when that was nothing."""
        try:
            happened = self.poll.poll(timeout_ms)
        except InterruptedError:
            return True
        for fd, _ in happened:
            if fd == self.listener.socket.fileno():
                self._accept()
            elif fd == self.child_ended:
                os.read(fd, 4096)
            elif fd in self.launchers:
                self._hear(self.launchers[fd])
            elif not self.turns.visited(fd):
                self.forks.orphaned(fd)
        for launcher in self.forks.reap():
            self._forget(launcher)
        self.turns.release()
        for launcher in [each for each in self.launchers.values() if each.slow]:
            self._forget(launcher)
        return bool(happened)

    def _mend(self) -> None:
        """Somebody may have deleted the socket's name, or the whole folder: without it every start would be cold."""
        if self.listener.lost:
            try:
                self.forks.records.make_folder()
                old = self.listener.bind_anew()
            except OSError as error:
                say(f"cannot listen: {error}")
                return
            say("the socket had been deleted: it is there again")
            self.poll.unregister(old)
            old.close()
            self.poll.register(self.listener.socket, select.POLLIN)
        self.orders.tell_again()

    def _begin_anew(self, _name: str, _why: str) -> None:
        if self.forks.running:
            os._exit(1)  # its forks live on, watched by their launchers; the keeper starts another template
        os.execve(sys.executable, [sys.executable, *sys.argv], self.imported.variables.given)

    # --- launchers ----------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        for launcher in self.listener.accept(say):
            self.launchers[launcher.fd] = launcher
            self.poll.register(launcher.fd, select.POLLIN)

    def _hear(self, launcher: connections.Launcher) -> None:
        try:
            if launcher.read():
                act = self._fork if launcher.offered else self._asked
                act(launcher)
        except (EOFError, OSError):  # it has ended, or given up
            self.forks.kill(launcher)
            self._forget(launcher)
        except connections.Refused as why:
            launcher.answer(b"R", text=str(why))
            self._forget(launcher)

    def _asked(self, launcher: connections.Launcher) -> None:
        request = launcher.request
        assert request is not None
        if "order" in request:
            self.orders.take(launcher)
            return
        shortcut.apply(request, self.settings["real"])
        if request["protocol"] != PROTOCOL:
            raise connections.Refused("its launcher speaks another version")
        env = self._check_variables(request)
        for entry in env.get("PYTHONPATH", "").split(os.pathsep):
            for name in ("sitecustomize", "usercustomize"):
                if entry and (os.path.exists(f"{entry}/{name}.py") or os.path.isdir(f"{entry}/{name}")):
                    raise connections.Refused(f"PYTHONPATH holds {name}")
        if request["nice"] < os.getpriority(os.PRIO_PROCESS, 0):
            raise connections.Refused("it has a higher priority")
        self.turns.queue(launcher)

    def _check_variables(self, request: Dict[str, Any]) -> Dict[str, str]:
        """The environment that is asked for, where a fork can have it. As more is imported less can be had."""
        env = {os.fsdecode(k): os.fsdecode(v) for k, v in request["env"].items()}
        different = self.imported.variables.differing(env)
        if different:
            raise connections.Refused(f"its environment differs in {', '.join(different)}")
        return env

    def _fork(self, launcher: connections.Launcher) -> None:
        assert launcher.request is not None
        self._check_variables(launcher.request)  # once more: it may have waited for imports
        launcher.request["low"] = self.orders.low
        compiled = self.forks.programs.compiled(launcher.program)
        self.forks.spares.note(launcher.request)
        spare = self.forks.spares.take(launcher, compiled)
        if spare:
            self.forks.follow(launcher, spare)
        elif self.forks.make(launcher):
            self.inside_fork.become(launcher, compiled, self.imported)

    def _make_spare(self) -> None:
        """One at a time: between them others have their turn."""
        missing = self.forks.spares.missing()
        if missing is None:
            self.orders.spares = False
            return
        try:
            made = self.forks.spares.make(missing)
        except (connections.Refused, OSError) as error:
            say(f"no spare: {error}")
            self.orders.spares = False
            return
        if made:
            self.inside_fork.become_spare(made[0], missing, made[1], self.imported)

    def _forget(self, launcher: connections.Launcher) -> None:
        if self.launchers.pop(launcher.fd, None) is not None:
            self.poll.unregister(launcher.fd)
        self.turns.forget(launcher)
        launcher.close_files()
        launcher.connection.close()


def _noted(*_: Any) -> None:
    """A Python handler, so that the wake-up descriptor is written; the loop reaps."""


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        settings = json.load(file)
    fresh.remember_encodings()
    Template(settings).run()


if __name__ == "__main__":
    main()

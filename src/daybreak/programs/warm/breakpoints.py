"""`breakpoint()` in a task, an actor or a replica: a prompt in the terminal of `daybreak dev`, or a debugger's.

`dev` listens at a Unix socket, whose path is in the environment. Whoever stops connects, says in one line of JSON who
and where it is, and hands the connection over to pdb. Where nobody listens the program goes on: nobody could let it.

With `DEBUG` set each replica lets a debugger in before it makes the user's object, at a free port of loopback. Which
one that is `dev` is told in the same way.
"""

import functools
import json
import os
import socket
import sys
from typing import Any, Dict, Optional, Sequence

from . import after_import

SOCKET, DEBUG = "DAYBREAK_BREAKPOINTS", "DAYBREAK_DEBUG"
REPLICAS, ACTOR = "ray.serve._private.replica", "ReplicaActor"
LOOPBACK = "127.0.0.1"
CONNECT_S = 5.0


def prepare() -> None:
    """In a fork that is to run the user's code, before its program begins."""
    if os.environ.get(SOCKET):
        sys.breakpointhook = stop
    if os.environ.get(DEBUG):
        after_import.call(REPLICAS, lambda module: _let_in_first(getattr(module, ACTOR, None)))


def stop(*_given: Any, **_named: Any) -> None:
    """Wait at the caller's next line for whoever sits at the terminal."""
    frame = sys._getframe(1)
    if _debugger_stops(frame):
        return
    place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    try:
        connection = _tell(kind="breakpoint", place=place, function=frame.f_code.co_name)
    except OSError as error:
        print(
            f"breakpoint() at {place} is passed: no terminal of `daybreak dev` ({error.strerror or error})", flush=True
        )
        return
    _prompt(connection).set_trace(frame)


def _tell(**told: Any) -> socket.socket:
    """A connection to `dev`, which knows then who this is. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(CONNECT_S)
        connection.connect(os.environ.get(SOCKET, ""))
        connection.sendall(json.dumps({"pid": os.getpid(), "who": _who(), **told}).encode() + b"\n")
        connection.settimeout(None)
    except BaseException:
        connection.close()
        raise
    return connection


def _who() -> str:
    """The deployment, where this is a replica that has begun."""
    serve = sys.modules.get("ray.serve")
    try:
        return str(serve.get_replica_context().deployment) if serve else ""
    except Exception:  # it is none
        return ""


def _prompt(connection: socket.socket) -> Any:
    """A pdb at the other end of a connection. It ends when the program goes on with nothing to stop at, or when the
    other end does; it never ends the program."""
    import pdb

    class Prompt(pdb.Pdb):
        def __init__(self, stream: Any) -> None:
            super().__init__(stdin=stream, stdout=stream, nosigint=True, readrc=False)

        def set_continue(self) -> None:
            super().set_continue()
            if not self.breaks:
                self._over()

        def do_quit(self, arg: str) -> Optional[bool]:
            del arg
            self.clear_all_breaks()
            self.set_continue()
            return True

        do_q = do_exit = do_EOF = do_quit  # noqa: N815 - pdb's own name

        def interaction(self, *given: Any, **named: Any) -> None:
            try:
                super().interaction(*given, **named)
            except (OSError, ValueError):  # the terminal is gone
                self.clear_all_breaks()
                super().set_continue()

        def _over(self) -> None:
            for part in (self.stdin, self.stdout, connection):
                try:
                    part.close()
                except OSError:
                    pass

    return Prompt(connection.makefile("rw", encoding="utf-8", errors="replace"))


def _debugger_stops(frame: Any) -> bool:
    """Does a debugger that is attached stop there?"""
    debugpy: Any = sys.modules.get("debugpy")
    if debugpy is None or not debugpy.is_client_connected():
        return False
    import pydevd  # type: ignore[import-not-found, unused-ignore] # debugpy has made it importable

    pydevd.settrace(suspend=True, trace_only_current_thread=True, patch_multiprocessing=False, stop_at_frame=frame)
    return True


def _let_in_first(actor: Any) -> None:
    """Another Ray may have no class of this name: there is no debugger then."""
    if actor is None:
        return
    begin = actor.__init__

    @functools.wraps(begin)
    async def begun(self: Any, *given: Any, **named: Any) -> None:
        # Ray looks whether it is a coroutine, which it is in every Ray.
        _let_in([*given, *named.values()])
        await begin(self, *given, **named)

    actor.__init__ = begun


def _let_in(given: Sequence[Any]) -> None:
    """Let a debugger in. Whatever goes wrong is written to the replica's log: it serves without."""
    names = [str(one.deployment_id.name) for one in given if hasattr(one, "deployment_id")]
    told: Dict[str, Any] = {"kind": "debugger", "who": names[0] if names else "a replica"}
    # It would say of each replica that Python's own frozen modules cannot be debugged.
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    try:
        import debugpy  # type: ignore[import-not-found, unused-ignore]

        debugpy.configure(python=sys.executable, subProcess=False)
        told["port"] = debugpy.listen((LOOPBACK, 0))[1]
        _tell(**told).close()
    except Exception as error:
        print(f"no debugger can be attached: {type(error).__name__}: {error}", file=sys.stderr, flush=True)

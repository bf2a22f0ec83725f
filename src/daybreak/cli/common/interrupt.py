"""What Ctrl-C, `kill` and a closed terminal do to a command. Imported first of all, so it imports next to nothing.

While nothing has been started they end it at once, whatever is being imported. From then on they raise
KeyboardInterrupt, so that what has been started is taken down. What is ignored, as below `nohup`, stays ignored.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TELLS = "interrupted\n"
# When an interrupt was lost in a place where Python cannot raise it, it is raised again after this time.
AGAIN_S = 0.01

_received: int | None = None


def exit_code() -> int | None:
    """What the command is to end with, as shells count; None where no signal came."""
    return None if _received is None else 128 + _received


def leave_at_once() -> None:
    """From now on a signal ends the command with one line."""
    _handle(_leave)


def raise_interrupt() -> None:
    """From now on a signal raises KeyboardInterrupt."""
    _handle(_raise)
    sys.unraisablehook = _not_raised


def ignore() -> None:
    """From now on a signal changes nothing: all is done but leaving."""
    _handle(signal.SIG_IGN)


@contextmanager
def nothing_started() -> Iterator[None]:
    """Imports and reading: a signal in between ends the command at once."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    if _raise not in before.values():
        yield
        return
    leave_at_once()
    try:
        yield
    finally:
        raise_interrupt()


def _handle(handler: Callable[[int, FrameType | None], Any] | signal.Handlers) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    try:
        os.write(2, TELLS.encode())
    finally:
        os._exit(128 + number)


def _raise(number: int, _frame: FrameType | None) -> NoReturn:
    global _received
    _received = number
    raise KeyboardInterrupt


def _not_raised(unraisable: Any) -> None:
    """Finalizers and callbacks of weak references swallow what is raised in them, an interrupt too."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        signal.signal(signal.SIGALRM, _raise_again)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
    else:
        sys.__unraisablehook__(unraisable)


def _raise_again(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt

"""A process that stands in for another one: what it is sent goes there, and it ends as that one ends.

Built-in modules alone: a launcher starts in ten milliseconds.
"""

import _signal  # type: ignore[import-not-found]
import posix

TYPE_CHECKING = False  # to load `typing` would take longer than all that a launcher does
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, NoReturn

NOT_FORWARDED = frozenset((_signal.SIGKILL, _signal.SIGSTOP, _signal.SIGCHLD))


def forward_signals(forward: "Callable[[int, Any], None] | _signal.Handlers", but: "Collection[int]" = ()) -> None:
    """From now on `forward` is called with every signal that this process is sent, `but` some; none is held back.

    Instead of a function it may be one of the system's own ways."""
    for number in _signal.valid_signals():
        if number in NOT_FORWARDED or number in but:
            continue
        try:
            _signal.signal(number, forward)
        except (OSError, ValueError):
            continue
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def end_like(status: int) -> "NoReturn":
    """End as a process did with this wait status."""
    number = status & 0x7F
    if not number:
        posix._exit(status >> 8)
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # one core is enough
    if number not in (_signal.SIGKILL, _signal.SIGSTOP):
        _signal.signal(number, _signal.SIG_DFL)
    posix.kill(posix.getpid(), number)
    posix._exit(128 + number)

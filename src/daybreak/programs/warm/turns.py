"""When a launcher's turn is: at once, when the imports are done, when what is held back may go, or when somebody comes
to its door."""

import select
import socket
from typing import Any, Dict, List

from . import connections, hold_back, listen_for


class Turns:
    """Those that wait. A launcher whose turn it is gets its offer."""

    def __init__(self, poll: "select.poll", hold_s: float) -> None:
        self.held_back = hold_back.HeldBack()
        self.held_back.hold(hold_s)
        self.warm = False
        self._poll = poll
        self._doors: Dict[int, connections.Launcher] = {}  # the door's file -> who stands behind it
        self._unwarmed: List[connections.Launcher] = []

    @property
    def listening(self) -> int:
        return len(self._doors)

    def queue(self, launcher: connections.Launcher) -> None:
        launcher.door = listen_for.open_for(launcher.request or {})
        if launcher.door is not None:
            launcher.answer(b"W")
            self._doors[launcher.door.fileno()] = launcher
            self._poll.register(launcher.door, select.POLLIN)
        elif self.held_back.holds(launcher.program):
            launcher.answer(b"H")
            self.held_back.add(launcher)
        elif self.held_back.is_first(launcher.program):
            launcher.offer()
        else:
            self._when_warm(launcher)

    def visited(self, fd: int) -> bool:
        """Somebody is at a door: it is the fork's from now on. False where the file is no door."""
        if fd not in self._doors:
            return False
        self._poll.unregister(fd)
        self._when_warm(self._doors.pop(fd))
        return True

    def release(self) -> None:
        """Offer to those whose time has come."""
        for launcher in self.held_back.release():
            self._when_warm(launcher)

    def imported(self) -> None:
        self.warm = True
        waiting, self._unwarmed = self._unwarmed, []
        for launcher in waiting:
            launcher.offer()

    def forget(self, launcher: connections.Launcher) -> None:
        """It waits no longer."""
        self.held_back.forget(launcher)
        if launcher in self._unwarmed:
            self._unwarmed.remove(launcher)
        door: Any = launcher.door
        if isinstance(door, socket.socket) and self._doors.pop(door.fileno(), None) is not None:
            self._poll.unregister(door)

    def _when_warm(self, launcher: connections.Launcher) -> None:
        if self.warm:
            launcher.offer()
        else:
            self._unwarmed.append(launcher)

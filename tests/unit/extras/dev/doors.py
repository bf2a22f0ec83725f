"""A door in front of an application that answers as a test says."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from daybreak.extras.dev.browser.door import Door, bind
from daybreak.extras.dev.browser.notices import Notices

DEADLINE_S = 60.0


@contextlib.contextmanager
def opened(upstream: str | None) -> Iterator[tuple[Door, Notices]]:
    """It answers while the block runs."""
    notices = Notices()
    door = Door(bind(0), notices)
    door.upstream = upstream
    thread = threading.Thread(target=door.run, daemon=True)
    thread.start()
    try:
        yield door, notices
    finally:
        door.close()
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the door does not close"

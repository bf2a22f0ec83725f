"""Telling what was saved: the kernel says that something happens, and a look at the files what it was.

A look alone decides, so whatever an editor does (a new file renamed over the old one, several writes) and whatever a
checkout does counts as what it left. Where the kernel tells nothing, as on network file systems, there are looks alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
from watchfiles import watch

from daybreak.extras.dev.tree import Moment, Tree

# Nothing more has come between two looks so far apart: what was saved is whole. That is told after twice this time at
# the latest.
REST_MS = 25
# Of a checkout that goes on and on, what is there by then.
MOST_MS = 1000
# What is written between a look and the watch that begins after it is seen by the next look.
LOOK_MS = 1000
POLL_S = 0.3
# Whoever writes there from another machine is seen by looks alone.
REMOTE = ("nfs", "cifs", "smb", "9p", "fuse", "vboxsf", "virtiofs", "afs", "ceph", "glusterfs", "prl_fs", "grpcfuse")


def saves(tree: Tree, stop: threading.Event, seen: Moment, *, poll: bool) -> Iterator[list[Path]]:
    """What has changed since `seen`, each time something has, until `stop` is set. `poll`: by looks alone."""
    while not stop.is_set():
        for _ in _hints(seen, stop, poll=poll):
            now = tree.now()
            changed, moved = seen.changed_to(now), seen.folders != now.folders
            seen = now
            if changed:
                yield changed
            if moved:
                break


def _hints(seen: Moment, stop: threading.Event, *, poll: bool) -> Iterator[None]:
    """Something may have happened. Ends where the folders are to be watched anew."""
    if poll:
        yield from _looks(stop)
        return
    try:
        told = watch(
            *seen.folders,
            watch_filter=None,
            step=REST_MS,
            debounce=MOST_MS,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            stop_event=stop,
            raise_interrupt=False,
            recursive=False,
        )
        yield from (None for _ in told)
    except FileNotFoundError:
        yield None  # a folder went before it was watched
    except OSError:
        # The kernel watches no more folders for this account.
        yield from _looks(stop)


def _looks(stop: threading.Event) -> Iterator[None]:
    while not stop.wait(POLL_S):
        yield None


def tells_nothing(folder: Path) -> bool:
    """Is the folder on a file system whose changes the kernel does not see?"""
    mounts = [(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
    above = [(place, kind) for place, kind in mounts if folder.is_relative_to(place)]
    kind = max(above, key=lambda found: len(found[0]), default=("", ""))[1]
    return kind.startswith(REMOTE)

"""Files that are replaced as a whole, and small books (JSON objects) that several processes change."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from daybreak.errors import PreflightError

PRIVATE = 0o600
# What Ray's folders of a node begin with.
SESSION = "session_"
LOCK_TIMEOUT_S = 30.0
LOCK_NAP_S = 0.02
# No book is nearly as long.
MOST_BYTES = 4 * 1024 * 1024


@contextmanager
def replacing(
    path: Path, mode: int | None = PRIVATE, *, durable: bool = False, keep: bool = False
) -> Iterator[BinaryIO]:
    """A new file beside `path` that takes its place when the block ends without an error.

    Whoever reads sees the old file or the new one, never a part; a link is replaced, not followed. `mode` None is what
    the umask leaves. `durable` waits for the disk, for what cannot be made anew after a power failure. With `keep` a
    file that is there by then stays. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o666 if mode is None else PRIVATE)
    try:
        with open(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(descriptor, mode)
            yield file
            if durable:
                file.flush()
                os.fsync(descriptor)
        if keep:
            # Unlike a rename, a link never replaces what another process has put there meanwhile.
            try:
                os.link(temporary, path)
            except FileExistsError:
                pass
            os.unlink(temporary)
        else:
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_private(path: Path, text: str, mode: int = PRIVATE, *, durable: bool = False) -> None:
    """Replace a file of ours alone, in a folder that is made where it is not there. Raises OSError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(path, mode, durable=durable) as file:
            file.write(text.encode())
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


class Book:
    """A JSON object in a file, changed by one process at a time; `what` it holds is for messages."""

    def __init__(self, path: Path, what: str, *, lock: Path) -> None:
        self.path = path
        self._what = what
        self._lock = lock

    def read(self) -> dict[str, Any]:
        """What it holds; nothing where it is missing or cannot be understood."""
        return read_book(self.path)

    @contextmanager
    def changing(self, *, keep: bool = True) -> Iterator[dict[str, Any]]:
        """Alone with its values: what has been changed in them is on disk when the block ends.

        Without `keep` nothing on disk changes, and nobody is waited for: the values are a copy to try something out.
        Raises PreflightError where it cannot be kept, or another process does not let go of it.
        """
        if not keep:
            yield self.read()
            return
        with self._alone():
            before = self.read()
            values = json.loads(json.dumps(before))
            yield values
            if values != before:
                try:
                    write_private(self.path, json.dumps(values, indent=1, sort_keys=True) + "\n", durable=True)
                except OSError as error:
                    raise self._unusable(error) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = open(self._lock, "a")
        except OSError as error:
            raise self._unusable(error) from error
        with file:
            deadline = time.monotonic() + LOCK_TIMEOUT_S
            while not _locked(file.fileno()):
                if time.monotonic() > deadline:
                    raise PreflightError(
                        [f"another process has kept {self._lock} locked for {LOCK_TIMEOUT_S:.0f} s"],
                        hint=f"`fuser -v {self._lock}` shows which one",
                    )
                time.sleep(LOCK_NAP_S)
            yield

    def _unusable(self, error: OSError) -> PreflightError:
        return PreflightError([f"{self._what} cannot be kept in {self.path}: {error.strerror or error}"])


def open_regular(path: str | Path, *, links: bool = False) -> int:
    """A descriptor to read a file that anybody may have put there: never waits for the other end of a pipe.

    Raises OSError for all that is no regular file, and for a link unless `links` are followed.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_log(path: Path) -> int:
    """A descriptor to read a log file. Raises OSError for what `open_regular` does, and for what lies elsewhere.

    Links are followed, but not out of the folder of a node, `NODE/session_.../...`: a container may have put them
    there, and would have any file of this machine shown. What counts is the file that was opened.
    """
    descriptor = open_regular(path, links=True)
    node = next((folder.parent for folder in path.parents if folder.name.startswith(SESSION)), None)
    try:
        if node and not Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_relative_to(node.resolve()):
            raise OSError(errno.ELOOP, "it leads out of its node's folder", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_book(path: str | Path) -> dict[str, Any]:
    """The JSON object in a file; nothing where it is missing, is too long or cannot be understood.

    Safe where a container can write, and quick enough for an event loop: a pipe or a link there counts as missing.
    """
    try:
        with open(open_regular(path), "rb") as file:
            text = file.read(MOST_BYTES + 1)
        found = json.loads(text) if len(text) <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""Deleting what databases have stored: all of it is gone, or it is said what is left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from daybreak.errors import DaybreakError

# What a killed server would take for its data, half deleted, has another name by then.
DELETED = ".deleted-"
# An upgrade makes a folder beside the data, and keeps what it has replaced; so does a setup that was killed.
BESIDE = ".*"


def purge(data: Path, services: Sequence[str]) -> None:
    """Delete the folders of these services, what upgrades have kept beside them, and what an earlier attempt has left.

    Raises DaybreakError: for a link, whose target is somebody's choice, before anything is deleted; for what cannot be
    deleted after all the rest was.
    """
    folders = [folder for name in services for folder in (data / name, *sorted(data.glob(f"{name}{BESIDE}")))]
    for folder in folders:
        if folder.is_symlink():
            raise DaybreakError(
                f"{folder} is a link to {os.path.realpath(folder)}: nothing was deleted",
                hint=f"delete what is there yourself, then the link: rm {folder}",
            )
    left: list[str] = []
    for folder in folders:
        try:
            folder.rename(data / f"{DELETED}{folder.name}-{os.urandom(4).hex()}")
        except FileNotFoundError:
            continue
        except OSError as error:
            left.append(f"{folder}: {error.strerror or error}")
    for folder in sorted(data.glob(f"{DELETED}*")):
        shutil.rmtree(folder, onerror=lambda _call, path, told: left.append(f"{path}: {_why(told[1])}"))
    if left:
        more = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
        raise DaybreakError(
            f"not all data was deleted: {left[0]}{more}",
            hint=f"see who owns it, and whether its file system can be written to: ls -la {data}; then repeat",
        )


def _why(error: BaseException) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)

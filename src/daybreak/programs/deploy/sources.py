"""Which files the applications are made of, and whether they are still what was deployed."""

import hashlib
import json
import os
import sys
from typing import Dict, Iterator, List, Tuple

from ..common.whole_file import write_json

CODE_FILE = "serve-code.json"
# Where nobody has imported the applications here, every Python file below their folder counts, up to so many.
MOST_FILES, MOST_FOLDERS = 2000, 500
MOST_CHANGED = 3


def note(path: str, folder: str, *, imported: bool, beside: bool = False) -> None:
    """Write down what is below `folder`: what this process has imported, else every file that it might be. `beside`
    what was noted of other applications, which stay as they are."""
    files = _imported(folder) if imported else _found(folder)
    noted = _read(path)[1] if beside and _read(path)[0] == folder else {}
    found = {os.path.relpath(file, folder): _digest(file) for file in files}
    write_json(path, {"folder": folder, "files": {**noted, **found}})


def changed(path: str) -> List[str]:
    """The files that differ from what was deployed last, relative to their folder; empty where nobody knows."""
    folder, files = _read(path)
    return sorted(name for name, digest in files.items() if _digest(os.path.join(folder, name)) != digest)


def _read(path: str) -> Tuple[str, Dict[str, str]]:
    """The folder, and the digests of its files; nothing where nobody has noted them."""
    try:
        with open(path, encoding="utf-8") as file:
            book = json.load(file)
        return str(book["folder"]), dict(book["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", {}


def told(files: List[str]) -> str:
    """That they have changed, in words."""
    names = ", ".join(files[:MOST_CHANGED]) + (f" and {len(files) - MOST_CHANGED} more" * (len(files) > MOST_CHANGED))
    return f"{names} {'has' if len(files) == 1 else 'have'} changed"


def _imported(folder: str) -> List[str]:
    """What is not installed below the folder, and was imported by this process."""
    files = {str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())}
    return [file for file in sorted(files) if _is_own(os.path.abspath(file), folder)]


def _is_own(file: str, folder: str) -> bool:
    parts = os.path.relpath(file, folder).split(os.sep)
    return file.endswith(".py") and parts[0] != os.pardir and not any(map(_is_left_out, parts[:-1]))


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name in ("site-packages", "__pycache__", "node_modules")


def _found(folder: str) -> List[str]:
    return [file for file, _ in zip(_walk(folder), range(MOST_FILES))]


def _walk(folder: str) -> Iterator[str]:
    for (place, folders, files), _ in zip(os.walk(folder), range(MOST_FOLDERS)):
        if "pyvenv.cfg" in files:
            folders[:] = []
            continue
        folders[:] = sorted(name for name in folders if not _is_left_out(name))
        yield from (os.path.join(place, name) for name in sorted(files) if name.endswith(".py"))


def _digest(file: str) -> str:
    """Of what is in it; empty where it cannot be read."""
    try:
        with open(file, "rb") as opened:
            return hashlib.sha256(opened.read()).hexdigest()
    except OSError:
        return ""

"""Which files the applications are made of, and whether they are still what was deployed.

Those are files below the spec's folder, and what was imported from elsewhere without being installed: editable
installations, and folders beside it that are in the search path. What is imported while a request is answered is not
imported yet: where the source names it, it counts.
"""

import hashlib
import json
import os
import sys
import sysconfig
from typing import Dict, Iterator, List, Optional, Tuple

from ..common.whole_file import write_json
from .imports import OwnFiles

CODE_FILE = "serve-code.json"
# Where nobody has imported the applications here, every Python file below their folder counts, up to so many.
MOST_FILES, MOST_FOLDERS = 2000, 500
MOST_CHANGED = 3
INSTALLED = f"{os.sep}site-packages{os.sep}"
PROGRAMS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def note(path: str, folder: str, imported: Optional[OwnFiles], *, beside: bool = False) -> Dict[str, str]:
    """Write down what is below `folder`: what this process has `imported` of these files, and what that may import
    later, else every file that it might be. `beside` what was noted of other applications, which stay as they are.
    Returns the files' digests by their relative paths."""
    files = _found(folder) if imported is None else _imported(folder, imported)
    noted = _read(path)[1] if beside and _read(path)[0] == folder else {}
    found = {os.path.relpath(file, folder): digest_of(file) for file in files}
    write_json(path, {"folder": folder, "files": {**noted, **found}})
    return found


def changed(path: str) -> List[str]:
    """The files that differ from what was deployed last, relative to their folder; empty where nobody knows."""
    folder, files = _read(path)
    return sorted(name for name, digest in files.items() if digest_of(os.path.join(folder, name)) != digest)


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


def own_files(folder: str) -> OwnFiles:
    """Those that this process may import from the folder; what it has imported from there, or from elsewhere, and is
    not installed, is known by its name."""
    given = sysconfig.get_paths()
    # The first is this package, whose programs run here.
    homes = (os.path.dirname(PROGRAMS), given["stdlib"], given["platstdlib"])
    installed = tuple(f"{home.rstrip(os.sep)}{os.sep}" for home in homes)
    below = f"{folder.rstrip(os.sep)}{os.sep}"
    files = ((name, getattr(module, "__file__", None)) for name, module in list(sys.modules.items()))
    # Of some two thousand modules nearly all are installed: what tells that soonest is asked first.
    others = {name: file for name, file in files if file and isinstance(file, str) and INSTALLED not in file}
    paths = {name: os.path.abspath(file) for name, file in others.items() if not file.startswith(installed)}
    return OwnFiles(folder, {name: path for name, path in paths.items() if _is_own(path, below)})


def _imported(folder: str, own: OwnFiles) -> List[str]:
    """What this process has imported, and what is named in that: it may be imported later."""
    below = f"{folder.rstrip(os.sep)}{os.sep}"
    names = [name for name, path in own.imported.items() if path.startswith(below)]
    return sorted(own.behind(names, lambda: _found(folder)).union(own.imported.values()))


def _is_own(file: str, below: str) -> bool:
    """Whatever is above the folder with the slash at its end has any name."""
    parts = file[len(below) if file.startswith(below) else 0 :].split(os.sep)
    return file.endswith(".py") and not any(map(_is_left_out, parts[:-1]))


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name in ("site-packages", "dist-packages", "__pycache__", "node_modules")


def _found(folder: str) -> List[str]:
    return [file for file, _ in zip(_walk(folder), range(MOST_FILES))]


def _walk(folder: str) -> Iterator[str]:
    for (place, folders, files), _ in zip(os.walk(folder), range(MOST_FOLDERS)):
        if "pyvenv.cfg" in files:
            folders[:] = []
            continue
        folders[:] = sorted(name for name in folders if not _is_left_out(name))
        yield from (os.path.join(place, name) for name in sorted(files) if name.endswith(".py"))


def digest_of(file: str) -> str:
    """Of what is in it; empty where it cannot be read."""
    try:
        with open(file, "rb") as opened:
            return hashlib.sha256(opened.read()).hexdigest()
    except OSError:
        return ""

"""Which spec a folder has, and its cluster's name. Cheap: no pydantic, PyYAML only where a file begins otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from daybreak.errors import Problem, SpecError
from daybreak.spec.names import NAME_RULE, as_name, is_name

FILE_NAMES = ("daybreak.yaml", "daybreak.yml")
OVERRIDE_NAMES = ("daybreak.override.yaml", "daybreak.override.yml")

# Spec files as somebody names them: one, or several of which each is laid over those before it.
Files = str | Path | Sequence[str | Path] | None

# Names that are first in a file, as they nearly always are, need no parser.
_FIRST = re.compile(r"name: +(?P<name>[a-z0-9-]+)(?: +(?:#.*)?)?")
# What may follow it: sections that begin in the first column, each with a plain key.
_LINE = re.compile(r"(?!name:)\w[\w.-]*:(?: |$)|[ ]|- ")
_NULL = "null"
# What ends a line for YAML alone.
_OTHER_BREAKS = frozenset("\x85\u2028\u2029")
_NAME_LINE = re.compile(r"""^name:[ \t]+(["']?)(?P<name>[a-z0-9-]+)\1[ \t]*(#.*)?$""", re.MULTILINE)


def find_spec(folder: Path) -> Path | None:
    """The spec's file in `folder` itself (not its parents), or None."""
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)


def spec_files(given: Files, folder: Path) -> tuple[Path, ...]:
    """The files that make a spec: those that are given, else the folder's with its override laid over it; none where
    the folder has none."""
    if given:
        return (Path(given),) if isinstance(given, str | Path) else tuple(Path(file) for file in given)
    found = find_spec(folder)
    if found is None:
        return ()
    over = next((folder / name for name in OVERRIDE_NAMES if (folder / name).is_file()), None)
    return (found, over) if over else (found,)


def cluster_here(folder: Path, given: Files = None) -> str:
    """The name of the folder's cluster, or of that of the files that are given."""
    return cluster_name(folder, spec_files(given, folder))


def cluster_name(folder: Path, files: Path | Sequence[Path] | None) -> str:
    """The name in the files, the last one's first, else one made from the folder's name.

    A file that is broken elsewhere still tells its name, so a running cluster can be seen and stopped meanwhile.
    Raises SpecError where a file cannot be read or its name is not valid.
    """
    several = [files] if isinstance(files, Path) else list(files or ())
    names = (_name_in(file, several[0].parent) for file in reversed(several))
    return next((name for name in names if name is not None), None) or name_from(folder)


def _name_in(file: Path, beside: Path) -> str | None:
    """The name in one file; None where it has none. `beside` is the folder of `.env`."""
    try:
        name = _first_name(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        name = None  # reading it properly says what is wrong
    return name or _parsed_name(file, beside)


def _first_name(text: str) -> str | None:
    """The name where it is the first value, and plainly nothing else is written that could be another one; None where
    that takes a parser."""
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    found = _FIRST.fullmatch(lines[0]) if lines else None
    if found is None or found["name"] == _NULL or not is_name(found["name"]) or _OTHER_BREAKS.intersection(text):
        return None
    # An indented line would go on with the name.
    goes_on = lines[1:] and lines[1].startswith((" ", "-"))
    return None if goes_on or not all(map(_LINE.match, lines[1:])) else found["name"]


def _parsed_name(file: Path, beside: Path) -> str | None:
    from daybreak.spec.document import label_of, parse_document, read_text
    from daybreak.spec.variables import Variables

    text = read_text(file)
    try:
        document = parse_document(text, label_of(file), Variables(beside))
    except SpecError:
        found = _NAME_LINE.search(text)
        if found and is_name(found["name"]):
            return found["name"]
        raise
    if unset := [problem for problem in document.problems if problem.key == "name"]:
        raise SpecError(unset)
    if document.data.get("name") is None:
        return None
    name = document.text(("name",))
    if name is None or not is_name(name):
        problem = Problem(NAME_RULE, key="name", file=document.label, line=document.line(("name",)))
        raise SpecError([problem])
    return name


def name_from(folder: Path) -> str:
    """A valid name from the folder's name."""
    return as_name(folder.absolute().resolve().name)

"""Which spec a folder has, and its cluster's name. Cheap: no pydantic, and PyYAML only where there is a file."""

from __future__ import annotations

import re
from pathlib import Path

from daybreak.errors import Problem, SpecError
from daybreak.spec.names import NAME_RULE, as_name, is_name

FILE_NAMES = ("daybreak.yaml", "daybreak.yml")

_NAME_LINE = re.compile(r"""^name:[ \t]+(["']?)(?P<name>[a-z0-9-]+)\1[ \t]*(#.*)?$""", re.MULTILINE)


def find_spec(folder: Path) -> Path | None:
    """The spec's file in `folder` itself (not its parents), or None."""
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)


def cluster_name(folder: Path, file: Path | None) -> str:
    """The name in `file`, else one made from the folder's name.

    A file that is broken elsewhere still tells its name, so a running cluster can be seen and stopped meanwhile.
    Raises SpecError where the file cannot be read or its name is not valid.
    """
    if file is None:
        return name_from(folder)
    from daybreak.spec.document import label_of, parse_document, read_text

    text = read_text(file)
    try:
        document = parse_document(text, label_of(file))
    except SpecError:
        found = _NAME_LINE.search(text)
        if found and is_name(found["name"]):
            return found["name"]
        raise
    written = document.data.get("name")
    if written is None:
        return name_from(folder)
    name = document.text(("name",))
    if name is None or not is_name(name):
        problem = Problem(NAME_RULE, key="name", file=document.label, line=document.line(("name",)))
        raise SpecError([problem])
    return name


def name_from(folder: Path) -> str:
    """A valid name from the folder's name."""
    return as_name(folder.absolute().resolve().name)

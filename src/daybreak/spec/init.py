"""The files that `daybreak init` writes: a spec, an application, its requirements, and the JSON schema for editors."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from daybreak.errors import UsageError
from daybreak.spec.find import FILE_NAMES, name_from
from daybreak.spec.names import NAME_RULE, is_name

SCHEMA_FILE = Path(".daybreak") / "daybreak.schema.json"
REQUIREMENTS = "requirements.txt"

_NAME_LINE = "name: starter\n"
_WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def write_starter(folder: Path, *, name: str | None = None, force: bool = False) -> list[Path]:
    """Write the starter files into `folder` (made where it is missing) and return them, the spec first.

    `name` is the cluster's; the folder's if absent. Raises UsageError, with nothing changed, where a file exists and
    `force` was not given. The schema is daybreak's own and always replaced.
    """
    if name is not None and not is_name(name):
        raise UsageError(f"'{name}' is no name for a cluster: {NAME_RULE}")
    files = _texts(name or name_from(folder))
    if (folder / REQUIREMENTS).exists():
        del files[REQUIREMENTS]  # somebody's own list is not for us to replace
    try:
        if not force:
            _refuse_to_overwrite(folder)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from error
    return [folder / path for path in files]


def write_schema(folder: Path) -> Path:
    """The schema alone, for editors; returns its path."""
    path = folder / SCHEMA_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_schema(), encoding="utf-8")
    return path


def _schema() -> str:
    return (resources.files("daybreak.spec") / SCHEMA_FILE.name).read_text(encoding="utf-8")


def _texts(name: str) -> dict[str, str]:
    """Every file's path below the folder, and its text."""
    package = resources.files("daybreak.spec")
    spec = (package / "starter" / "daybreak.yaml").read_text(encoding="utf-8")
    application = (package / "starter" / "app.py").read_text(encoding="utf-8")
    return {
        "daybreak.yaml": spec.replace(_NAME_LINE, f"name: {_as_yaml(name)}\n", 1),
        # The first line is for checking this package, not for its users.
        "app.py": application.partition("\n")[2] if application.startswith("# mypy:") else application,
        str(SCHEMA_FILE): _schema(),
        REQUIREMENTS: (package / "starter" / REQUIREMENTS).read_text(encoding="utf-8"),
    }


def _as_yaml(name: str) -> str:
    """The name as YAML text: some names would read as a number, a truth value or nothing."""
    return f'"{name}"' if name[0].isdigit() or name in _WORDS_OF_YAML else name


def _refuse_to_overwrite(folder: Path) -> None:
    there = [name for name in (*FILE_NAMES, "app.py") if (folder / name).exists()]
    if there:
        verb = "exists" if len(there) == 1 else "exist"
        hint = "choose another folder, or overwrite with `daybreak init --force`"
        raise UsageError(f"{', '.join(there)} already {verb} in {folder}; nothing was changed", hint=hint)

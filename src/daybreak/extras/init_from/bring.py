"""The way from a Compose file, or one of KubeRay, to a spec that was checked: reading, drafting, checking, writing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from daybreak.errors import Problem, SpecError, UsageError
from daybreak.extras.init_from.compose import read_project
from daybreak.extras.init_from.draft import SECRETS_FOLDER, Draft, Fate
from daybreak.extras.init_from.kuberay import draft_of_kuberay, is_kuberay, name_of
from daybreak.extras.init_from.project import draft_of
from daybreak.extras.init_from.words import Words
from daybreak.extras.init_from.writing import text_of
from daybreak.files import write_private
from daybreak.spec.document import read_text
from daybreak.spec.find import FILE_NAMES, name_from
from daybreak.spec.load import load_text
from daybreak.spec.names import NAME_RULE, as_name, is_name
from daybreak.spec.variables import Variables

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDES = ("compose.override.yaml", "compose.override.yml", "docker-compose.override.yml")
# Rounds of taking out what the spec does not take; each takes out at least one value.
ROUNDS = 40


@dataclass(frozen=True)
class Brought:
    """The spec's text, where it belongs, and what became of each service. `secrets` and `files` are further files, by
    path; nobody else may read secrets."""

    text: str
    folder: Path
    fates: tuple[Fate, ...]
    notes: tuple[str, ...]
    secrets: Mapping[Path, str]
    files: Mapping[Path, str]

    @property
    def file(self) -> Path:
        return self.folder / FILE_NAMES[0]

    def to_json(self) -> dict[str, Any]:
        return {
            "file": str(self.file),
            "services": [fate.to_json() for fate in self.fates],
            "notes": list(self.notes),
            "secret_files": [str(path) for path in self.secrets],
            "files": [str(path) for path in self.files],
            "spec": self.text,
        }


def bring(source: Path, *, name: str | None, backend: str) -> Brought:
    """What `daybreak.yaml` would be. Raises UsageError and SpecError; writes nothing."""
    if name is not None and not is_name(name):
        raise UsageError(f"'{name}' is no name for a cluster: {NAME_RULE}")
    file = compose_file(source)
    draft = _draft(file, name, backend)
    text = _checked(draft, file)
    secrets = {file.parent / SECRETS_FOLDER / name: value for name, value in draft.secrets.items()}
    files = {file.parent / name: content for name, content in draft.files.items()}
    return Brought(text, file.parent, tuple(draft.fates.values()), tuple(draft.notes), secrets, files)


def _draft(file: Path, name: str | None, backend: str) -> Draft:
    documents = _documents(file)
    if is_kuberay(documents):
        called = name_of(documents)
        return draft_of_kuberay(documents, name or (as_name(called) if called else name_from(file.parent)), backend)
    words = Words(Variables(file.parent))
    project = read_project(file, words)
    called = name or (as_name(words.value(project.name)) if project.name else name_from(file.parent))
    draft = draft_of(project, called, backend)
    if any((file.parent / override).is_file() for override in OVERRIDES) and file.name in FILES:
        draft.notes.append(
            "its override file was not read: `docker compose config > whole.yaml`, then --from whole.yaml"
        )
    return draft


def _documents(file: Path) -> list[Any]:
    """What a file of Kubernetes holds; nothing where it is none, which reading it as Compose's tells."""
    try:
        return list(yaml.safe_load_all(read_text(file)))
    except yaml.YAMLError:
        return []


def compose_file(source: Path) -> Path:
    """The file itself, or the one that a folder has."""
    if source.is_dir():
        found = next((source / name for name in FILES if (source / name).is_file()), None)
        if found is None:
            raise UsageError(f"{source} has no {FILES[0]} and no {FILES[-1]}; nothing was written")
        return found
    return source


def write(brought: Brought) -> list[Path]:
    """Write the spec, and secrets that nobody else may read. Raises UsageError where there is a spec."""
    places = [*(brought.folder / name for name in FILE_NAMES), *brought.files]
    there = [place for place in places if place.exists()]
    if there:
        raise UsageError(
            f"{there[0]} is there already; nothing was written",
            hint="move it away, or see what would be written with --dry-run",
        )
    try:
        if brought.secrets:
            folder = brought.folder / SECRETS_FOLDER
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(folder / ".gitignore", "*\n")
        for path, value in brought.secrets.items():
            write_private(path, f"{value}\n")
        for path, content in {**brought.files, brought.file: brought.text}.items():
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "w") as opened:
                opened.write(content)
    except OSError as error:
        raise UsageError(f"cannot write to {brought.folder}: {error.strerror or error}") from error
    return [brought.file, *brought.files, *brought.secrets]


def _checked(draft: Draft, file: Path) -> str:
    """The text, when the spec's own check takes it: what it does not take is left out, and told."""
    label = FILE_NAMES[0]
    with tempfile.TemporaryDirectory() as folder:
        for name, value in {**draft.secrets, **draft.files}.items():
            write_private(Path(folder, name), f"{value}\n")
        for _ in range(ROUNDS):
            text = text_of(draft, file.name)
            try:
                load_text(_as_if_written(text, draft, folder), label, file.parent)
                return text
            except SpecError as error:
                problems = error.problems
            if not sum(_take_out(draft, problem) for problem in problems):
                break
    raise SpecError(problems, hint="this is a fault of daybreak: the file would help to mend it")


def _as_if_written(text: str, draft: Draft, folder: str) -> str:
    """What stands in the text of files that are not there yet is in this folder."""
    for name in draft.files:
        text = text.replace(f": {name}\n", f": {folder}/{name}\n")
    return text.replace(str(SECRETS_FOLDER), folder)


def _take_out(draft: Draft, problem: Problem) -> bool:
    """Remove the value that a problem is about, and say so where its service is told of."""
    key, _, index = problem.key.partition("[")
    path = key.split(".")
    while path and not (place := _around(draft, path)):
        path.pop()
    if place is None or path in ([], ["name"], ["services"]):
        return False
    listed = place[path[-1]]
    number = index.partition("]")[0]
    if isinstance(listed, list) and number.isdigit() and int(number) < len(listed) > 1:
        del listed[int(number)]
    else:
        del place[path[-1]]
    key = ".".join(path)
    fates = [fate for fate in draft.fates.values() if _is_about(fate, key)]
    for fate in fates:
        if key in fate.became.split(", "):
            fate.became, fate.reason = "", problem.message
        else:
            fate.notes.append(f"{key.rpartition('.')[2]} was not carried over: {problem.message}")
    if not fates:
        draft.notes.append(f"{key} was not carried over: {problem.message}")
    return True


def _around(draft: Draft, path: list[str]) -> dict[str, Any] | None:
    """The mapping that the last key of a path stands in; None where it does not."""
    place: Any = draft.spec
    for part in path[:-1]:
        place = place.get(part) if isinstance(place, dict) else None
    return place if isinstance(place, dict) and path[-1] in place else None


def _is_about(fate: Fate, key: str) -> bool:
    return any(key == what or key.startswith(f"{what}.") for what in fate.became.split(", ") if what)

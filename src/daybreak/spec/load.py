"""From a `daybreak.yaml` or from options to a `Spec`: everything that is wrong is reported at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from daybreak.errors import Problem, SpecError
from daybreak.spec import suggest, wording
from daybreak.spec.check import check
from daybreak.spec.document import Document, KeyPath, dotted, label_of, parse_document, read_text
from daybreak.spec.find import cluster_name, find_spec, name_from
from daybreak.spec.model import Spec
from daybreak.spec.wording import NO_VALUE, Finding

__all__ = ["OPTIONS", "LoadedSpec", "cluster_name", "find_spec", "load_spec", "without_file"]

# What to call a value that came from the command line.
OPTIONS = {
    "name": "--name",
    "workers.count": "WORKERS",
    "serve.applications[0].import": "--app",
    "ports.offset": "--port-offset",
    "backend": "--backend",
}

# Rounds of taking out what is not valid until the rest is; each takes out at least one value.
_ROUNDS = 8

# What stands in for each required value while the rest is looked at.
_STAND_INS: dict[str | int, Any] = {
    "name": "unnamed",
    "command": ["unnamed"],
    "import": "unnamed:unnamed",
    "certificate": "unnamed",
    "key": "unnamed",
}


@dataclass(frozen=True)
class LoadedSpec:
    """A valid spec, the folder its relative paths count from, and its file (None where there is none)."""

    spec: Spec
    base: Path
    source: Path | None


def load_spec(file: Path, *, overrides: Mapping[str, Any] | None = None) -> LoadedSpec:
    """The spec in `file`, with `overrides` (nested like the file) merged over it.

    Raises SpecError with every problem: its line, its key, and what to write instead.
    """
    source = Path(os.path.abspath(file))
    document = parse_document(read_text(file), label_of(file))
    return _build(_Sources(document, overrides or {}), source.parent, source)


def without_file(
    folder: Path,
    *,
    name: str | None = None,
    app: str | None = None,
    workers: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    below: Mapping[str, Any] | None = None,
) -> LoadedSpec:
    """A spec from options alone, as in `daybreak up 3 --app app:main`; paths count from `folder`.

    None means that the option was not given. `below` are a whole spec's values, over which the options are laid. Raises
    SpecError with the options' names as keys.
    """
    given: dict[str, Any] = {}
    if name is not None:
        given["name"] = name
    if workers is not None:
        given["workers"] = {"count": workers}
    if app is not None:
        given["serve"] = {"applications": [{"import": app}]}
    values = _merge(below or {}, _merge(overrides or {}, given))
    return _build(_Sources(None, values), Path(os.path.abspath(folder)), None)


@dataclass(frozen=True)
class _Sources:
    """Where the values come from: a file, options, or both."""

    document: Document | None
    overrides: Mapping[str, Any]

    def values(self, base: Path) -> dict[str, Any]:
        """All values in one mapping, options over the file."""
        written = dict(_without_empty(self.document)) if self.document else {}
        merged = _merge(written, self.overrides)
        if merged.get("name") is None:
            merged["name"] = name_from(base)
        return merged

    def text(self, path: KeyPath) -> str | None:
        """The value as it was written in the file."""
        return self.document.text(path) if self.document and not self.is_option(path) else None

    def is_option(self, path: KeyPath) -> bool:
        """Whether the value at `path` came from the options."""
        current: Any = self.overrides
        for part in path:
            if not isinstance(current, Mapping):
                return True
            if part not in current:
                return False
            current = current[part]
        return not isinstance(current, Mapping) or self.document is None or not self.document.has(path)

    def problem(self, found: Finding) -> Problem:
        """A finding with its place."""
        key = dotted(found.path)
        if self.document is None or self.is_option(found.path):
            return Problem(found.message, key=OPTIONS.get(key, key), hint=found.hint)
        line = self.document.line(found.path, of_key=found.at_key)
        return Problem(found.message, key=key, file=self.document.label, line=line, hint=found.hint)


def _build(sources: _Sources, base: Path, source: Path | None) -> LoadedSpec:
    values = sources.values(base)
    spec, found, unsure = _validate(values, sources)
    if spec is not None:
        found += check(spec, base, unsure)
    problems = _all_problems(sources, found)
    if problems:
        raise SpecError(problems)
    # Without a problem nothing was taken out, so there is a spec.
    assert spec is not None
    return LoadedSpec(spec, base, source)


def _validate(values: dict[str, Any], sources: _Sources) -> tuple[Spec | None, list[Finding], set[KeyPath]]:
    """The spec, what is wrong with its values, and the places that were left out of it because of that.

    What is valid is still checked when something else is not, so that one look shows everything.
    """
    found: list[Finding] = []
    unsure: set[KeyPath] = set()
    for _ in range(_ROUNDS):
        try:
            return Spec.model_validate(values), found, unsure
        except ValidationError as error:
            errors = error.errors(include_url=False)
        # Later rounds only see what earlier ones tore open.
        found = found or _findings(errors, values, sources)
        places = {_replaceable(item, values) for item in errors}
        if () in places:
            break
        for place in places:
            field = suggest.field_at(place)
            values = _replaced(values, place, _STAND_INS[place[-1]] if field and field.is_required() else None)
        unsure |= places
    return None, found, unsure


def _findings(errors: Iterable[Mapping[str, Any]], values: dict[str, Any], sources: _Sources) -> list[Finding]:
    found: dict[KeyPath, Finding] = {}
    for error in errors:
        loc = error["loc"]
        place = loc if error["type"] == "missing" else _place(loc, values)
        of_union = len(loc) > len(place) and loc[-1] != "[key]"
        # A union reports once for each of its types; a model with several errors reports each at its own place.
        found.setdefault(place, wording.finding(error, place, sources.text(place), of_union=of_union))
    return list(found.values())


def _place(loc: KeyPath, values: Any) -> KeyPath:
    """The part of pydantic's `loc` that is written in the spec; the rest names types of unions and the like."""
    place: list[str | int] = []
    for part in loc:
        inside = isinstance(values, dict) and part in values
        inside = inside or (isinstance(values, list) and isinstance(part, int) and part < len(values))
        if not inside:
            break
        values = values[part]
        place.append(part)
    return tuple(place)


def _replaceable(error: Mapping[str, Any], values: dict[str, Any]) -> KeyPath:
    """What to take out because of an error: never a list's item alone, which would renumber the others."""
    place = error["loc"] if error["type"] == "missing" else _place(error["loc"], values)
    while place and isinstance(place[-1], int):
        place = place[:-1]
    return tuple(place)


def _replaced(values: Any, place: KeyPath, instead: Any = None) -> Any:
    """A copy with something else at `place`; without the key where that is None."""
    key, *rest = place
    if rest and isinstance(values, list) and isinstance(key, int) and key < len(values):
        return [_replaced(item, tuple(rest), instead) if at == key else item for at, item in enumerate(values)]
    if not isinstance(values, dict) or (rest and key not in values):
        return values
    if rest:
        return {**values, key: _replaced(values[key], tuple(rest), instead)}
    others = {name: value for name, value in values.items() if name != key}
    return others if instead is None else {**others, key: instead}


def _without_empty(document: Document) -> dict[str, Any]:
    """The document's values without sections whose content is all commented out.

    For a database presence alone counts, so there `postgres:` means one with the default settings.
    """
    values = document.data
    for path in document.empty:
        if path[:-1] == ("databases",) and suggest.model_at(path):
            values = _merge(values, {"databases": {str(path[-1]): {}}})
        elif suggest.is_section(path):
            values = _replaced(values, path)
    return values


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`, mapping by mapping; everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, Mapping) and under is not None:
            # A mapping cannot be laid over something else: that is left for validation to report.
            merged[key] = _merge(under, value) if isinstance(under, Mapping) else under
        else:
            merged[key] = _merge({}, value) if isinstance(value, Mapping) else value
    return merged


def _all_problems(sources: _Sources, found: Iterable[Finding]) -> list[Problem]:
    """Those of the text and of the values, in the file's order."""
    early = sources.document.problems if sources.document else ()
    # A value that could not be read is None from then on; saying that it is absent would mislead.
    unread = {problem.key for problem in early}
    late = [sources.problem(item) for item in found if item.message != NO_VALUE or dotted(item.path) not in unread]
    return sorted(dict.fromkeys([*early, *late]), key=lambda problem: (problem.line or 0, problem.key))

"""From a `daybreak.yaml` or from options to a `Spec`: everything that is wrong is reported at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from daybreak.errors import Problem, SpecError
from daybreak.spec import suggest, wording
from daybreak.spec.check import check
from daybreak.spec.document import KeyPath, label_of, parse_document, read_text
from daybreak.spec.find import cluster_name, find_spec
from daybreak.spec.handing import read_values
from daybreak.spec.model import Spec
from daybreak.spec.profiles import NO_PROFILES, Profiles, active, unknown_profiles, unmet
from daybreak.spec.sources import OPTIONS, Sources, merge, put, replaced
from daybreak.spec.variables import Variables
from daybreak.spec.wording import Finding

__all__ = ["OPTIONS", "LoadedSpec", "cluster_name", "find_spec", "load_spec", "load_text", "without_file"]

# Rounds of taking out what is not valid until the rest is; each takes out at least one value.
_ROUNDS = 8

# What stands in for each required value while the rest is looked at.
_STAND_INS: dict[str | int, Any] = {
    "name": "unnamed",
    "command": ["unnamed"],
    "import": "unnamed:unnamed",
    "certificate": "unnamed",
    "key": "unnamed",
    "path": "unnamed",
    "address": "unnamed:1",
}


@dataclass(frozen=True)
class LoadedSpec:
    """A valid spec, the folder its relative paths count from, and its files (none where it was made from options).

    `profiles` are those whose services it has, `warnings` what its author should know though nothing is wrong, and
    `variables` those of the environment that it was made with, by name. `missing` is what speaks against a start, and
    against nothing else: secrets and files of variables that are not there. `given` is the spec without what `dev` has
    added to it, None where that is nothing.
    """

    spec: Spec
    base: Path
    source: Path | None
    files: tuple[Path, ...] = ()
    profiles: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[Problem, ...] = ()
    given: Spec | None = None

    @property
    def name(self) -> str:
        """The cluster's."""
        return self.spec.name

    def to_json(self) -> dict[str, Any]:
        """As it travels to a keeper."""
        return {
            "spec": self.spec.model_dump(mode="json", by_alias=True),
            "base": str(self.base),
            "source": str(self.source) if self.source else None,
            "profiles": list(self.profiles),
            "given": self.given and self.given.model_dump(mode="json", by_alias=True),
        }


def load_spec(
    file: Path | Sequence[Path], *, overrides: Mapping[str, Any] | None = None, profiles: Profiles = NO_PROFILES
) -> LoadedSpec:
    """The spec in `file`, or in several of which each is laid over those before it, with `overrides` (nested like the
    file) over all of them, and the services of `profiles`.

    Raises SpecError with every problem: its line, its key, and what to write instead.
    """
    files = tuple(Path(os.path.abspath(one)) for one in ([file] if isinstance(file, Path) else file))
    base = files[0].parent
    variables = Variables(base)
    documents = tuple(parse_document(read_text(one), label_of(one), variables) for one in files)
    sources = Sources(documents, overrides or {})
    loaded = _build(sources, base, profiles)
    missing = _missing(sources, loaded.spec, base)
    return replace(loaded, source=files[0], files=files, variables=variables.of_environment, missing=missing)


def load_text(text: str, label: str, base: Path) -> LoadedSpec:
    """The spec in a text that is in no file yet; paths count from `base`. Raises SpecError as `load_spec` does."""
    return _build(Sources((parse_document(text, label, Variables(base)),), {}), base, NO_PROFILES)


def without_file(
    folder: Path,
    *,
    name: str | None = None,
    app: str | None = None,
    workers: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    below: Mapping[str, Any] | None = None,
    profiles: Profiles = NO_PROFILES,
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
    values = merge(below or {}, merge(overrides or {}, given))
    return _build(Sources((), values), Path(os.path.abspath(folder)), profiles)


def _build(sources: Sources, base: Path, profiles: Profiles) -> LoadedSpec:
    values = sources.values(base)
    spec, found, unsure = _validate(values, sources)
    if spec is not None:
        found += unknown_profiles(spec, profiles)
        found += unmet(spec, profiles)
        spec = active(spec, profiles)
        places = {item.path for item in found}
        found += [item for item in check(spec, base, unsure) if item.path not in places]
    problems = sources.problems(found)
    if problems:
        raise SpecError(problems)
    # Without a problem nothing was taken out, so there is a spec.
    assert spec is not None
    return LoadedSpec(spec, base, None, profiles=profiles.names, warnings=sources.warnings())


def _missing(sources: Sources, spec: Spec, base: Path) -> tuple[Problem, ...]:
    _, wrong = read_values(spec, base, Variables(base))
    return tuple(one if isinstance(one, Problem) else sources.problem(one) for one in wrong)


def _validate(values: dict[str, Any], sources: Sources) -> tuple[Spec | None, list[Finding], set[KeyPath]]:
    """The spec, what is wrong with its values, and the places that were left out of it because of that.

    What is valid is still checked when something else is not, so that one look shows everything.
    """
    found: list[Finding] = []
    unsure: set[KeyPath] = set()
    for _ in range(_ROUNDS):
        try:
            return Spec.model_validate(values), found, unsure
        except ValidationError as error:
            errors = [{**one, "loc": _as_written(one["loc"], values)} for one in error.errors(include_url=False)]
        texts = sources.meant_as_text(errors)
        if texts:
            for place, text in texts.items():
                values = put(values, place, text)
            continue
        # Later rounds only see what earlier ones tore open.
        found = found or _findings(errors, values, sources)
        places = {_replaceable(item, values) for item in errors}
        if () in places:
            break
        for place in places:
            field = suggest.field_at(place)
            values = replaced(values, place, _STAND_INS[place[-1]] if field and field.is_required() else None)
        unsure |= places
    return None, found, unsure


def _findings(errors: Iterable[Mapping[str, Any]], values: dict[str, Any], sources: Sources) -> list[Finding]:
    found: dict[KeyPath, Finding] = {}
    for error in errors:
        loc = error["loc"]
        place = loc if error["type"] == "missing" else _place(loc, values)
        of_union = len(loc) > len(place) and loc[-1] != "[key]"
        # A union reports once for each of its types; a model with several errors reports each at its own place.
        found.setdefault(place, wording.finding(error, place, sources.text(place), of_union=of_union))
    return list(found.values())


def _as_written(loc: KeyPath, values: Any) -> KeyPath:
    """A place without the number in a list of one, for which that one alone is written."""
    place: list[str | int] = []
    inside: Any = values
    for number, part in enumerate(loc):
        if part == 0 and isinstance(inside, dict | str):
            continue
        place.append(part)
        if not _place((part,), inside):
            return (*place, *loc[number + 1 :])
        inside = inside[part]
    return tuple(place)


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

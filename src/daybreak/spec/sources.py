"""Where the values of a spec come from: files, each laid over those before it, and options over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybreak.errors import Problem
from daybreak.spec import suggest
from daybreak.spec.document import Document, KeyPath, dotted
from daybreak.spec.find import name_from
from daybreak.spec.interpolation import Filled
from daybreak.spec.wording import NO_VALUE, Finding

# What to call a value that came from the command line.
OPTIONS = {
    "name": "--name",
    "workers.count": "WORKERS",
    "serve.applications[0].import": "--app",
    "ports.offset": "--port-offset",
    "backend": "--backend",
    "profiles": "--profile",
}


# Asked for beside the spec, which has no such key.
PROFILES = ("profiles",)


@dataclass(frozen=True)
class Sources:
    """The files, the last one on top, and options."""

    documents: tuple[Document, ...]
    overrides: Mapping[str, Any]

    def values(self, base: Path) -> dict[str, Any]:
        """All values in one mapping."""
        below: dict[str, Any] = {}
        for number, document in enumerate(self.documents):
            written = _without_empty(document, below)
            below = lay(below, written) if number else dict(written)
        merged = merge(below, self.overrides)
        if merged.get("name") is None:
            merged["name"] = name_from(base)
        return merged

    def text(self, path: KeyPath) -> str | None:
        """The value as it was written in the file."""
        document = self._of(path)
        return document.text(path) if document and not self.is_option(path) else None

    def is_option(self, path: KeyPath) -> bool:
        """Whether the value at `path` came from the options."""
        if path == PROFILES:
            return True
        current: Any = self.overrides
        for part in path:
            if not isinstance(current, Mapping):
                return True
            if part not in current:
                return False
            current = current[part]
        return not isinstance(current, Mapping) or not any(one.has(path) for one in self.documents)

    def problem(self, found: Finding) -> Problem:
        """A finding with its place."""
        key = dotted(found.path)
        document = self._of(found.path)
        if document is None or self.is_option(found.path):
            return Problem(found.message, key=OPTIONS.get(key, key), hint=found.hint)
        line = document.line(found.path, of_key=found.at_key)
        filled = None if found.at_key else document.filled.get(found.path)
        message = f"{found.message} (it is written as {filled.written})" if filled else found.message
        return Problem(message, key=key, file=document.label, line=line, hint=found.hint)

    def problems(self, found: Iterable[Finding]) -> list[Problem]:
        """Those of the texts and of the values, in the files' order."""
        early = [problem for document in self.documents for problem in document.problems]
        # A value that could not be read is None from then on; saying that it is absent would mislead.
        unread = {problem.key for problem in early}
        late = [self.problem(item) for item in found if item.message != NO_VALUE or dotted(item.path) not in unread]
        labels = [document.label for document in self.documents]

        def place(problem: Problem) -> tuple[int, int, str]:
            return (labels.index(problem.file) if problem.file in labels else -1, problem.line or 0, problem.key)

        return sorted(dict.fromkeys([*early, *late]), key=place)

    def meant_as_text(self, errors: Iterable[Mapping[str, Any]]) -> dict[KeyPath, str]:
        """What was written as a variable without quotes, such as `PORT: ${PORT}`, where text belongs and YAML sees a
        number, true or nothing: the text is meant, whatever the variable holds."""
        found = {}
        for error in errors:
            filled = self.filled(error["loc"]) if error["type"] == "string_type" else None
            if filled and filled.plain and not isinstance(error["input"], str):
                found[tuple(error["loc"])] = filled.text
        return found

    def filled(self, path: KeyPath) -> Filled | None:
        """What was written with variables at `path`; None for what was not, or is laid over."""
        document = self._of(tuple(path))
        return document.filled.get(tuple(path)) if document and document.has(tuple(path)) else None

    def warnings(self) -> tuple[Problem, ...]:
        """Variables that look like secrets, where their values are stored and shown."""
        return tuple(self._warnings())

    def _warnings(self) -> Iterator[Problem]:
        for document in self.documents:
            for path, filled in document.filled.items():
                for variable in filled.secret_names if self._of(path) is document else ():
                    message = f"{variable} looks like a secret: here its value is stored with the spec, and shown"
                    line = document.line(path)
                    yield Problem(message, key=dotted(path), file=document.label, line=line, hint=_instead(variable))

    def _of(self, path: KeyPath) -> Document | None:
        """The uppermost file that has something at `path`, or the most of the way there."""
        for length in range(len(path), 0, -1):
            for document in reversed(self.documents):
                if document.has(path[:length]):
                    return document
        return self.documents[0] if self.documents else None


def _instead(variable: str) -> str:
    """How a secret is handed over."""
    name = variable.lower().replace("_", "-")
    return f"write `secrets: {{{name}: {{environment: {variable}}}}}`, and `secrets: [{name}]` at what uses it"


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Options `above` laid over `below`, mapping by mapping; everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, Mapping) and under is not None:
            # A mapping cannot be laid over something else: that is left for validation to report.
            merged[key] = merge(under, value) if isinstance(under, Mapping) else under
        else:
            merged[key] = merge({}, value) if isinstance(value, Mapping) else value
    return merged


def lay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """A file's values laid over those of the files before it: mappings are merged, null removes what was there, and
    everything else, a list among it, is replaced."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if value is None and key in merged:
            del merged[key]
        elif isinstance(value, Mapping) and isinstance(under, Mapping):
            merged[key] = lay(under, value)
        else:
            merged[key] = value
    return merged


def replaced(values: Any, place: KeyPath, instead: Any = None) -> Any:
    """A copy with something else at `place`; without the key where that is None."""
    key, *rest = place
    if rest and isinstance(values, list) and isinstance(key, int) and key < len(values):
        return [replaced(item, tuple(rest), instead) if at == key else item for at, item in enumerate(values)]
    if not isinstance(values, dict) or (rest and key not in values):
        return values
    if rest:
        return {**values, key: replaced(values[key], tuple(rest), instead)}
    others = {name: value for name, value in values.items() if name != key}
    return others if instead is None else {**others, key: instead}


def put(values: Any, place: KeyPath, text: str) -> Any:
    """A copy with the text at `place`, which is there."""
    if not place:
        return text
    key, *rest = place
    if isinstance(values, list):
        return [put(item, tuple(rest), text) if at == key else item for at, item in enumerate(values)]
    return {**values, key: put(values[key], tuple(rest), text)}


def _without_empty(document: Document, below: Mapping[str, Any]) -> dict[str, Any]:
    """The document's values without sections whose content is all commented out.

    For a database presence alone counts, so there `postgres:` means one with the default settings, or with those that
    it has in the files before. So it does for a group of workers.
    """
    values = document.data
    for path in document.empty:
        if path[:-1] == ("databases",) and suggest.model_at(path):
            there = (below.get("databases") or {}).get(str(path[-1])) or {}
            values = merge(values, {"databases": {str(path[-1]): there}})
        elif path[:-1] == ("workers", "groups"):
            values = merge(values, {"workers": {"groups": {str(path[-1]): {}}}})
        elif suggest.is_section(path):
            values = replaced(values, path)
    return values

"""pydantic's errors in the words of somebody who writes a spec."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daybreak.spec import suggest
from daybreak.spec.base import IMAGE_PATTERN
from daybreak.spec.document import KeyPath
from daybreak.spec.join import ENDPOINT_PATTERN
from daybreak.spec.model import (
    HEADER_PATTERN,
    IMPORT_PATTERN,
    PROFILE_PATTERN,
    ROUTE_PREFIX_PATTERN,
    VOLUME_PATTERN,
)
from daybreak.spec.names import NAME_PATTERN, NAME_RULE
from daybreak.spec.secrets import NAMED, VARIABLE_PATTERN


@dataclass(frozen=True)
class Finding:
    """One thing wrong at one place. `at_key` tells that the key itself is wrong, not its value."""

    path: KeyPath
    message: str
    hint: str | None = None
    at_key: bool = False


@dataclass(frozen=True)
class _Case:
    """An error with what is needed to word it. `text` is the value as it was written."""

    path: KeyPath
    value: Any
    limits: Mapping[str, Any]
    text: str | None

    @property
    def key(self) -> str:
        """The innermost key, list positions left out."""
        return next((part for part in reversed(self.path) if isinstance(part, str)), "")

    @property
    def shown(self) -> str:
        """The value, for the end of a message; nothing where it may be secret or is long."""
        scalar = isinstance(self.value, str | int | float) and not self.secret
        text = f"'{self.value}'" if isinstance(self.value, str) else self.text or str(self.value)
        return f", not {text}" if scalar and len(text) <= 40 else ""

    @property
    def after_list(self) -> str:
        """The same for a message that holds commas itself."""
        return self.shown.replace(", not", "; not", 1)

    @property
    def secret(self) -> bool:
        return not SECRET.isdisjoint(self.path)


NO_VALUE = "has no value"
# What stands below these keys is never repeated.
SECRET = frozenset(["env", "args", "webhook"])

# Keys that a section does not have although another one of its kind does.
NOT_HERE: Mapping[KeyPath, str] = {
    ("databases", "redis", "init"): "Redis runs no scripts when its data is made: fill it from a service, or restore",
    ("databases", "redis", "user"): "REDIS_URL is that of Redis' default user, which has no other name",
    ("databases", "redis", "extensions"): "Redis has modules: write settings: {loadmodule: /path/to/module.so}",
    ("databases", "neo4j", "init"): "Neo4j's image runs no scripts when its data is made: fill it from a service",
}

Wording = tuple[str, str | None]

_PATTERNS = {
    NAME_PATTERN: NAME_RULE,
    ROUTE_PREFIX_PATTERN: "must begin with '/' and not end with it, without { and }, such as /api",
    r"^/": "must begin with '/', such as /api",
    r"^https?://": "must be a URL such as http://127.0.0.1:9000/health",
    IMPORT_PATTERN: "give module:attribute, such as app:main",
    r"^[a-z_][a-z0-9_]{0,62}$": "use lower-case letters, digits and '_', beginning with a letter, such as my_data",
    NAMED: "use letters, digits, '.', '_' and '-', such as api-key",
    VARIABLE_PATTERN: "give the name of a variable, such as API_KEY",
    VOLUME_PATTERN: "give NAME:/path for a volume, or ./folder:/path for a folder, with :ro behind it or not",
    IMAGE_PATTERN: "give an image such as postgres:15",
    ENDPOINT_PATTERN: "give an address and a port, such as 10.0.0.5:6380",
    PROFILE_PATTERN: "give a word such as debug",
    HEADER_PATTERN: "give the name of a header, such as accept-language",
}

# What to write where people often put something shorter.
_LONG_FORMS = {
    "workers": "write workers: {count: 3}",
    "serve": "write serve: {applications: [{import: app:main}]}",
    "applications": "write [{import: app:main}]",
    "databases": "write databases: {postgres: {}}",
    "postgres": "write postgres: {}",
    "redis": "write redis: {}",
    "mysql": "write mysql: {}",
    "neo4j": "write neo4j: {}",
    "check": "write check: {tcp: 9000}",
}


def finding(error: Mapping[str, Any], path: KeyPath, text: str | None, *, of_union: bool = False) -> Finding:
    """One of `ValidationError.errors()` in human words.

    `path` is the error's place without pydantic's own additions, `text` the value as written.
    """
    kind = str(error["type"])
    case = _Case(path, error["input"], error.get("ctx", {}), text)
    if kind == "extra_forbidden":
        return Finding(path, NOT_HERE.get(path, "unknown key"), suggest.for_key(path), at_key=True)
    if kind == "missing":
        return Finding(path, "is required", at_key=True)
    at_key = "[key]" in error["loc"]
    if case.value is None:
        return Finding(path, NO_VALUE, _LONG_FORMS.get(case.key), at_key=True)
    if of_union:
        return Finding(path, "give text, a number, true or false")
    words = _WORDS.get(kind)
    message, hint = words(case) if words else (_unknown(error), None)
    return Finding(path, message, hint, at_key=at_key)


def _unknown(error: Mapping[str, Any]) -> str:
    # A kind that no table here knows, such as one of a newer pydantic: its text is still better than none.
    return str(error["msg"]).removeprefix("Input ").removeprefix("Value error, ")


def _whole_number(case: _Case) -> Wording:
    quoted = isinstance(case.value, str) and case.value.strip().isdigit()
    return f"give a whole number{case.shown}", "write it without quotes" if quoted else None


def _number(case: _Case) -> Wording:
    return f"give a number{case.shown}", None


def _flag(case: _Case) -> Wording:
    return f"write true or false{case.shown}", None


def _text(case: _Case) -> Wording:
    if isinstance(case.value, Mapping | Sequence):
        return "give text", None
    hint = "put it in quotes" if case.secret or case.text is None else f"put it in quotes: '{case.text}'"
    return "give text", hint


def _mapping(case: _Case) -> Wording:
    hint = _LONG_FORMS.get(case.key)
    if case.key == "workers" and type(case.value) is int and case.value >= 0:
        hint = f"write workers: {{count: {case.value}}}"
    return f"give a mapping of keys to values{case.shown}", hint


def _list(case: _Case) -> Wording:
    hint = _LONG_FORMS.get(case.key)
    if hint is None and isinstance(case.value, str | int):
        words = _split(case.value) if case.key == "command" and isinstance(case.value, str) else [str(case.value)]
        hint = f"write [{', '.join(words)}]"
    return "give a list", hint


def _split(command: str) -> list[str]:
    try:
        return [f'"{word}"' if set(word) & set(" ,[]{}:#'&*!|>%@`") else word for word in shlex.split(command)]
    except ValueError:
        # An open quote.
        return [command]


def _choice(case: _Case) -> Wording:
    known = str(case.limits["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
    return f"must be one of {', '.join(known)}{case.after_list}", None


def _bound(sign: str, limit: str) -> Callable[[_Case], Wording]:
    return lambda case: (f"must be {sign} {case.limits[limit]}{case.shown}", None)


def _pattern(case: _Case) -> Wording:
    rule = _PATTERNS.get(case.limits["pattern"], f"must match {case.limits['pattern']}")
    return f"{rule}{case.after_list}", None


def _always(message: str) -> Callable[[_Case], Wording]:
    return lambda _: (message, None)


def _stated(case: _Case) -> Wording:
    # Written by our own validators, for people.
    return str(case.limits["error"]), None


_WORDS: dict[str, Callable[[_Case], Wording]] = {
    "int_type": _whole_number,
    "int_from_float": _whole_number,
    "int_parsing": _whole_number,
    "float_type": _number,
    "float_parsing": _number,
    "finite_number": _always("must be a finite number"),
    "bool_type": _flag,
    "bool_parsing": _flag,
    "string_type": _text,
    "string_pattern_mismatch": _pattern,
    "string_too_short": _always("must not be empty"),
    "too_short": _always("must not be empty"),
    "model_type": _mapping,
    "model_attributes_type": _mapping,
    "dict_type": _mapping,
    "list_type": _list,
    "tuple_type": _list,
    "literal_error": _choice,
    "greater_than": _bound("more than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "value_error": _stated,
}

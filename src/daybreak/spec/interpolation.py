"""Variables in the text of a spec: `${NAME}` and its forms, as in Docker Compose.

Only what stands in braces is a variable, so that a shell's own `$HOME` in a command stays what it is. `$$` in front of
a name or a brace is one dollar: `$${NAME}` is left for a shell to read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

Lookup = Callable[[str], str | None]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BEGINS = re.compile(r"\$\$(?=[A-Za-z_{])|\$\{")
_OPERATOR = re.compile(r":?[-?+]")
# What must be written in front of which a further dollar stands, so that it is read back as it is.
_TO_ESCAPE = re.compile(r"\$(?=\{)|(?<=\$)\$(?=[A-Za-z_])")

# Words of names whose values are rarely for everybody's eyes.
_SECRET_WORDS = frozenset(
    "APIKEY CREDENTIAL CREDENTIALS KEY PASS PASSPHRASE PASSWD PASSWORD PW SECRET SECRETS TOKEN".split()  # noqa: SIM905
)
# Such a name's last word says that it is something about the secret, and not the secret.
_ABOUT = frozenset(["DIR", "FILE", "FOLDER", "ID", "NAME", "PATH", "USER"])


@dataclass(frozen=True)
class Filled:
    """A text with its variables' values. `plain`: it was written without quotes, and is typed as YAML would."""

    written: str
    text: str
    names: tuple[str, ...]
    plain: bool = False

    @property
    def secret_names(self) -> list[str]:
        """Those of the variables that look like secrets."""
        return [name for name in self.names if looks_secret(name)]


class Unfilled(ValueError):
    """A variable has no value, or what is written is none; `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def fill(text: str, lookup: Lookup) -> Filled:
    """The text with its variables' values. Raises Unfilled for the first that cannot be."""
    names: list[str] = []
    return Filled(text, _filled(text, lookup, names), tuple(dict.fromkeys(names)))


def escaped(text: str) -> str:
    """The text as it must be written, so that it is read back as it is."""
    return _TO_ESCAPE.sub("$$", text)


def looks_secret(name: str) -> bool:
    """Is a variable of that name probably a secret?"""
    words = name.upper().split("_")
    return words[-1] not in _ABOUT and not _SECRET_WORDS.isdisjoint(words)


def _filled(text: str, lookup: Lookup, names: list[str]) -> str:
    parts, at = [], 0
    while found := _BEGINS.search(text, at):
        parts.append(text[at : found.start()])
        at = found.end()
        if found[0] == "$$":
            parts.append("$")
            continue
        end = _closing(text, at)
        parts.append(_value(text[at:end], lookup, names))
        at = end + 1
    return "".join([*parts, text[at:]])


def _closing(text: str, at: int) -> int:
    """Where the brace closes that has opened before `at`; defaults may hold further variables."""
    depth, place = 1, at
    while place < len(text):
        if text.startswith("${", place):
            depth, place = depth + 1, place + 1
        elif text[place] == "}":
            depth -= 1
            if depth == 0:
                return place
        place += 1
    raise Unfilled(f"`${{{text[at:]}` has no closing brace", "write ${NAME}, or $${...} where a shell is to read it")


def _value(inside: str, lookup: Lookup, names: list[str]) -> str:
    """The value of what stands between the braces."""
    named = _NAME.match(inside)
    rest = inside[named.end() :] if named else inside
    operator = _OPERATOR.match(rest)
    if named is None or (rest and operator is None):
        raise Unfilled(
            f"`${{{inside}}}` is no variable",
            f"write ${{NAME}} or ${{NAME:-default}}; where a shell is to read it, $${{{inside}}}",
        )
    name, sign = named[0], operator[0] if operator else ""
    other = rest[len(sign) :]
    names.append(name)
    value = lookup(name)
    there = value is not None and not (sign.startswith(":") and value == "")
    if sign.endswith("+"):
        return _filled(other, lookup, names) if there else ""
    if there and value is not None:
        return value
    if sign.endswith("-"):
        return _filled(other, lookup, names)
    raise _unset(name, inside, _filled(other, lookup, names))


def _unset(name: str, inside: str, why: str) -> Unfilled:
    if why:
        hint = f"write {name}=... into .env beside the spec, or into the environment"
        return Unfilled(f"{name} is not set: {why}", hint)
    return Unfilled(
        f"the variable {name} is not set",
        f"set it in the environment or in .env beside the spec, or write ${{{name}:-default}}; "
        f"where a shell is to read it, write $${{{inside}}}",
    )

"""Variables and commands as Compose files write them, in the words of a spec."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from daybreak.spec.interpolation import Unfilled, fill

Lookup = Callable[[str], str | None]

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# In Compose `$NAME` is a variable, too, and `$$` is a dollar whatever comes behind it.
_DOLLARS = re.compile(
    rf"\$\$(?P<next>[A-Za-z_{{]?)|\$\{{(?P<name>{_NAME})(?P<must>:?\?[^}}]*)?\}}|\$(?P<plain>{_NAME})"
)
_BRACED = re.compile(r"\$\{[^}]*\}")
SHELLS = frozenset(("sh", "bash", "dash", "ash"))
SEPARATORS = frozenset(("&&", "||", ";", "|", "&", "(", ")"))
_ASSIGNED = re.compile(rf"{_NAME}=")
_RUNNERS = frozenset(("exec", "nohup", "sudo", "tini", "--", "dumb-init"))


@dataclass
class Words:
    """`lookup` has the variables of `.env` and of the environment; `unset` collects those that nobody has set."""

    lookup: Lookup
    unset: dict[str, None] = field(default_factory=dict)

    def in_spec(self, value: Any) -> Any:
        """Every text in a value as a spec writes it, with the same variables. One that is not set is empty, as in
        Compose."""
        if isinstance(value, str):
            return _DOLLARS.sub(self._one, value)
        if isinstance(value, dict):
            return {key: self.in_spec(one) for key, one in value.items()}
        return [self.in_spec(one) for one in value] if isinstance(value, list) else value

    def value(self, text: str) -> str:
        """What a text of a spec means now."""
        try:
            return fill(text, lambda name: self.lookup(name) or "").text
        except Unfilled:
            return text

    def _one(self, found: re.Match[str]) -> str:
        name = found["name"] or found["plain"]
        if name is None:
            # `$$NAME` is for a shell, in a spec as well.
            return f"$${found['next']}" if found["next"] else "$"
        if self.lookup(name) is not None:
            return f"${{{name}}}"
        self.unset.setdefault(name)
        return f"${{{name}:-}}"


def names_in(text: str) -> frozenset[str]:
    """Words with blanks between."""
    return frozenset(text.split())


def split(value: Any) -> tuple[str, ...]:
    """A command as words: a list stays one, a text is split as Compose does it."""
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(str(word) for word in value)
    # A variable's default is no place to split at.
    text = _BRACED.sub(lambda found: found[0].replace(" ", "\0"), str(value))
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    return tuple(word.replace("\0", " ") for word in words)


def script_of(words: Sequence[str]) -> str | None:
    """What a shell is given to run by `sh -c`; None where it is no shell."""
    words = without_runners(words)
    if not words or words[0].rpartition("/")[2] not in SHELLS:
        return None
    for at, word in enumerate(words[1:], 1):
        if re.fullmatch(r"-[a-z]*c", word):
            return words[at + 1] if len(words) > at + 1 else None
    return None


def commands(words: Sequence[str], script: str | None = None) -> list[tuple[str, ...]]:
    """The simple commands that words run, one after another: those of the script where a shell is given one."""
    text = script_of(words) if script is None else script
    if text is None:
        return [without_runners(words)] if words else []
    return [without_runners(part) for part in _parts(text) if without_runners(part)]


def without_runners(words: Sequence[str]) -> tuple[str, ...]:
    """Without what only starts the rest: `exec`, `tini --`, variables in front."""
    words = tuple(words)
    while words and (words[0].rpartition("/")[2] in _RUNNERS or _ASSIGNED.match(words[0])):
        words = words[1:]
    return words


def _parts(script: str) -> Iterator[list[str]]:
    text = re.sub(r"^\s*#.*$", "", script.replace("\\\n", " "), flags=re.MULTILINE).replace("\n", " ; ")
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    part: list[str] = []
    try:
        for token in lexer:
            if token in SEPARATORS or set(token) <= set(";&|"):
                yield part
                part = []
            else:
                part.append(token)
    except ValueError:
        part = text.split()
    yield part

"""Files of variables, `NAME=value` line by line, as Docker Compose reads `.env` and `env_file`.

    # a comment                     export NAME=value        is the same without `export`
    NAME=value # a comment          NAME='as it is: $X'      NAME="with ${VARIABLES}, \\n and lines"

No dependency: what the usual packages have more is writing such files, and loading them into this process.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from daybreak.errors import Problem, SpecError
from daybreak.spec.document import label_of, read_text
from daybreak.spec.interpolation import Lookup, Unfilled, fill

_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][\w.-]*)[ \t]*(?P<sign>=)?[ \t]*")
_SINGLE = re.compile(r"'(?P<text>[^']*)'")
_DOUBLE = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"', re.DOTALL)
_END = re.compile(r"[ \t]*(?:#.*)?(?:\r?\n|$)")
_REST = re.compile(r"(?P<text>[^\r\n]*)(?:\r?\n|$)")
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*$")
_NOTHING = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|$)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read_variables(file: Path, lookup: Lookup) -> dict[str, str]:
    """The file's variables; `lookup` has those that values name and the file itself has not.

    Raises SpecError with every line that is wrong; values are never in a message.
    """
    return parse_variables(read_text(file), label_of(file), lookup)


def parse_variables(text: str, label: str, lookup: Lookup) -> dict[str, str]:
    """The variables in a text; see `read_variables`."""
    found: dict[str, str] = {}
    problems: list[Problem] = []

    def known(name: str) -> str | None:
        given = lookup(name)
        return found.get(name) if given is None else given

    at = 0
    while at < len(text):
        blank = _NOTHING.match(text, at)
        if blank and blank.end() > at:
            at = blank.end()
            continue
        line = text.count("\n", 0, at) + 1
        try:
            at = _entry(text, at, found, known)
        except Unfilled as error:
            problems.append(Problem(error.message, file=label, line=line, hint=error.hint))
            at = _line_end(text, at)
    if problems:
        raise SpecError(problems)
    return found


def _entry(text: str, at: int, found: dict[str, str], known: Lookup) -> int:
    """Read one variable; returns where the next line begins. Raises Unfilled for what is none."""
    begin = _LINE.match(text, at)
    if begin is None:
        raise Unfilled("is no variable", "write NAME=value, or a # in front of a comment")
    name, place = begin["name"], begin.end()
    if not begin["sign"]:
        if not _END.match(text, place):
            raise Unfilled(f"{name} has no '=' behind it", "write NAME=value")
        # A name alone takes the value that it has outside.
        value = known(name)
        if value is not None:
            found[name] = value
        return _line_end(text, place)
    for pattern, read in ((_SINGLE, _as_it_is), (_DOUBLE, _with_escapes)):
        quoted = pattern.match(text, place)
        if quoted:
            end = _END.match(text, quoted.end())
            if end is None:
                raise Unfilled(f"{name} has text behind its closing quote", "put all of the value in quotes, or none")
            found[name] = read(quoted["text"], known)
            return end.end()
    if text.startswith(("'", '"'), place):
        raise Unfilled(f"the quote of {name} is not closed", "put the other quote behind the value")
    rest = _REST.match(text, place)
    assert rest is not None
    found[name] = _value(_COMMENT.sub("", rest["text"]).strip(), known)
    return rest.end()


def _as_it_is(text: str, _known: Lookup) -> str:
    return text


def _with_escapes(text: str, known: Lookup) -> str:
    # A dollar behind a backslash is no variable's.
    kept = re.sub(r"\\\$", "\0", text)
    plain = re.sub(r"\\(.)", lambda at: _ESCAPES.get(at[1], at[1]), kept, flags=re.DOTALL)
    return _value(plain, known).replace("\0", "$")


def _value(text: str, known: Lookup) -> str:
    """With its variables; one that nobody has set is empty, as in Compose and shells."""
    return fill(text, _or_empty(known)).text


def _or_empty(known: Lookup) -> Callable[[str], str | None]:
    return lambda name: known(name) or ""


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1

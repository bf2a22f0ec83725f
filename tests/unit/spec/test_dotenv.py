"""Files of variables, as Docker Compose reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.errors import SpecError
from daybreak.spec.dotenv import parse_variables, read_variables

OUTSIDE = {"HOST": "db", "PRESENT": "there"}

TEXT = r"""# a comment
PLAIN=a value with spaces   # and a comment
export EXPORTED=1
 INDENTED = 2
EMPTY=
HASH=a#b
SINGLE='$HOST \n #'
DOUBLE="line\nnext \"q\" \$HOST ${HOST} #"
LINES="one
two"
URL=postgres://${HOST}:5432/${PLAIN}
DEFAULT=${NONE:-other}
UNSET=[${NONE}]
PRESENT
NOT_PRESENT
DOLLAR=pa$$word$
BASE64=YWJj==
"""


def test_everything_that_may_be_written() -> None:
    assert parse_variables(TEXT, ".env", OUTSIDE.get) == {
        "PLAIN": "a value with spaces",
        "EXPORTED": "1",
        "INDENTED": "2",
        "EMPTY": "",
        "HASH": "a#b",
        "SINGLE": r"$HOST \n #",
        "DOUBLE": 'line\nnext "q" $HOST db #',
        "LINES": "one\ntwo",
        "URL": "postgres://db:5432/a value with spaces",
        "DEFAULT": "other",
        "UNSET": "[]",
        "PRESENT": "there",
        "DOLLAR": "pa$word$",
        "BASE64": "YWJj==",
    }


def test_lines_of_windows_and_no_last_line_end() -> None:
    assert parse_variables("A=1\r\nB='2'\r\n\r\n# c\r\nC=3", "x", OUTSIDE.get) == {"A": "1", "B": "2", "C": "3"}


def test_every_wrong_line_is_told_and_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app.env").write_text('A=1\nhello world\nB=\'open\nC="x" y\n=5\nD=${X%z}\n')
    with pytest.raises(SpecError) as caught:
        read_variables(Path("app.env"), OUTSIDE.get)
    found = [(one.file, one.line, one.message) for one in caught.value.problems]
    assert found == [
        ("app.env", 2, "hello has no '=' behind it"),
        ("app.env", 3, "the quote of B is not closed"),
        ("app.env", 4, "C has text behind its closing quote"),
        ("app.env", 5, "is no variable"),
        ("app.env", 6, "`${X%z}` is no variable"),
    ]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        read_variables(tmp_path / "none.env", OUTSIDE.get)

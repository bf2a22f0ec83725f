"""Reading a file's end: how much is read, rotated parts, long lines, junk."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daybreak.show.logs import history, lines
from daybreak.show.logs.entry import Source
from daybreak.show.logs.history import History
from daybreak.show.logs.lines import LONGEST_BYTES, Lines
from daybreak.show.logs.selection import Once, Selection
from daybreak.show.logs.stamps import Level

BEGAN = datetime(2026, 11, 25, 10, tzinfo=UTC).timestamp()


def stamped(number: int, level: str = "INFO") -> str:
    at = datetime.fromtimestamp(BEGAN + number, UTC).strftime("%Y-%m-%d %H:%M:%S+00:00")
    return f"{at} {level} line {number}"


def write(path: Path, text: str | bytes, changed: float = BEGAN + 10_000) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    os.utime(path, (changed, changed))
    return path


def shown(path: Path, selection: Selection) -> list[str]:
    past = History(Source("head", "head", path), selection)
    return [line for entry in past.read() for line in entry.lines]


def numbers(found: list[str]) -> list[int]:
    return [int(line.rpartition(" ")[2]) for line in found]


def test_the_last_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", "".join(f"{stamped(n)}\n" for n in range(100)))
    assert numbers(shown(path, Selection(lines=3))) == [97, 98, 99]
    assert shown(path, Selection(lines=0)) == []
    assert len(shown(path, Selection(lines=1000))) == 100


def test_a_line_without_its_end_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", "one\ntwo")
    assert shown(path, Selection(lines=5)) == ["one", "two"]


def test_an_entry_is_cut_where_there_are_too_many_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", f"{stamped(1, 'ERROR')}\na\nb\nc\n")
    past = History(Source("head", "head", path), Selection(lines=2))
    assert [(entry.lines, entry.level) for entry in past.read()] == [(["b", "c"], Level.ERROR)]


def test_rotated_parts_are_read_where_the_newest_is_too_short(tmp_path: Path) -> None:
    for name, first in (("a.log.2", 0), ("a.log.1", 10), ("a.log", 20)):
        write(tmp_path / name, "".join(f"{stamped(n)}\n" for n in range(first, first + 10)), BEGAN + first + 9)
    assert numbers(shown(tmp_path / "a.log", Selection(lines=12))) == list(range(18, 30))
    assert numbers(shown(tmp_path / "a.log", Selection(since=BEGAN + 5))) == list(range(5, 30))
    assert numbers(shown(tmp_path / "a.log", Selection(since=BEGAN + 25))) == list(range(25, 30))


def test_of_a_huge_file_only_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.log", "".join(f"{stamped(n)}\n" for n in range(30_000)), BEGAN + 30_000)
    read: list[int] = []
    original = lines.read_block

    def counted(path: Path, offset: int, size: int) -> bytes:
        found = original(path, offset, size)
        read.append(len(found))
        return found

    monkeypatch.setattr(lines, "read_block", counted)
    assert numbers(shown(path, Selection(lines=5))) == list(range(29_995, 30_000))
    assert sum(read) < path.stat().st_size / 4
    read.clear()
    assert numbers(shown(path, Selection(since=BEGAN + 29_990))) == list(range(29_990, 30_000))
    assert sum(read) < path.stat().st_size / 4


def test_a_search_ends_somewhere_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LOOK_BACK_BYTES", 100_000)
    path = write(tmp_path / "a.log", "needle\n" + "hay\n" * 500_000)
    past = History(Source("head", "head", path), Selection(lines=5, pattern=re.compile("needle")))
    assert list(past.read()) == []
    assert past.cut_short


def test_filters(tmp_path: Path) -> None:
    text = "\n".join(
        [stamped(1), stamped(2, "ERROR"), "Traceback (most recent call last):", "  x", "E: no", stamped(3)]
    )
    path = write(tmp_path / "a.log", text)
    assert len(shown(path, Selection(level=Level.ERROR))) == 4
    assert len(shown(path, Selection(lines=9, pattern=re.compile("^E: no$")))) == 4
    assert numbers(shown(path, Selection(lines=1, pattern=re.compile("line")))) == [3]
    assert shown(path, Selection(level=Level.CRITICAL)) == []


def test_output_without_a_level_counts_as_info(tmp_path: Path) -> None:
    path = write(tmp_path / "a.out", "printed\n")
    assert shown(path, Selection(level=Level.INFO)) == ["printed"]
    assert shown(path, Selection(level=Level.WARNING)) == []


def test_a_file_without_times_is_as_old_as_its_last_change(tmp_path: Path) -> None:
    path = write(tmp_path / "a.out", "printed\n", changed=BEGAN)
    assert shown(path, Selection(since=BEGAN - 1)) == ["printed"]
    assert shown(path, Selection(since=BEGAN + 1)) == []


def test_lines_before_the_first_time_come_before_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", f"printed\n{stamped(7)}\n")
    past = History(Source("head", "head", path), Selection(lines=5))
    assert [entry.at for entry in past.read()] == [BEGAN + 7, BEGAN + 7]


def test_a_very_long_line_is_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", b"x" * 3_000_000 + b"\nend\n")
    found = list(Lines(path).read(path.stat().st_size))
    assert found[0] == "x" * LONGEST_BYTES + f" ... (+{3_000_000 - LONGEST_BYTES} bytes)"
    assert found[1:] == ["end"]
    assert shown(path, Selection(lines=1)) == ["end"]


def test_junk_is_shown_as_what_it_is(tmp_path: Path) -> None:
    junk = (
        b"\x00" * 100 + b"\n\x1b[31mred\x1b[0m \x07\xff\n 10%\r 99%\rdone\r\n\x1b]0;title\x07text\n" + bytes(range(256))
    )
    path = write(tmp_path / "a.log", junk)
    found = shown(path, Selection(lines=50))
    assert found[:4] == ["\\x00...(100 control characters)", "red \\x07\ufffd", "done", "text"]
    assert all(character.isprintable() or character == "\t" for line in found for character in line)


def test_a_file_that_is_gone_is_empty(tmp_path: Path) -> None:
    assert shown(tmp_path / "gone.log", Selection(lines=5)) == []


def test_what_serve_writes_twice_is_shown_once(tmp_path: Path) -> None:
    once = Once()
    for name in ("replica.log", "worker.err"):
        write(tmp_path / name, f"{stamped(1)}\n{stamped(1)}\n")
    found = [
        once.is_new(entry)
        for name in ("replica.log", "worker.err")
        for entry in History(Source("serve", name, tmp_path / name), Selection(lines=9)).read()
    ]
    assert found == [True, True, False, False]

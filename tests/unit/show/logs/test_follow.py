"""Files that grow, are rotated, replaced and deleted while they are followed."""

from __future__ import annotations

from pathlib import Path

from daybreak.show.logs.entry import Entry, Source
from daybreak.show.logs.follow import QUIET_S, UNFINISHED_S, Follower, Gaps
from daybreak.show.logs.lines import LONGEST_BYTES

NOW = 2_000_000_000.0
# Times of this size are exact to a quarter of a microsecond only.
QUIET = QUIET_S + 0.001


class Followed:
    """A follower with a clock that is moved by hand."""

    def __init__(self, *paths: Path, gaps: Gaps | None = None) -> None:
        self.follower = Follower(gaps)
        self.now = NOW
        for path in paths:
            path.touch()
            self.add(path)

    def add(self, path: Path, offset: int = 0) -> None:
        self.follower.add(Source("head", path.name, path), self.now, offset)

    def after(self, seconds: float) -> list[Entry]:
        self.now += seconds
        return self.follower.poll(self.now)

    def texts(self) -> list[str]:
        """What is shown once nothing more is written."""
        found = self.after(0) + self.after(QUIET)
        return [entry.text for entry in found]


def append(path: Path, text: str) -> None:
    with open(path, "a") as file:
        file.write(text)


def test_new_lines_and_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    append(path, "old\n")
    followed = Followed()
    followed.add(path, path.stat().st_size)
    assert followed.texts() == []
    append(path, "one\ntwo\n")
    assert followed.texts() == ["one", "two"]
    assert followed.texts() == []


def test_a_traceback_that_comes_in_pieces_is_one_entry(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    followed = Followed(path)
    append(path, "2026-11-25 10:00:00 ERROR failed\nTraceback (most recent call last):\n")
    assert followed.after(0) == []
    append(path, "  File x\nValueError: no\n")
    assert followed.after(QUIET_S / 2) == []
    (entry,) = followed.after(QUIET)
    assert len(entry.lines) == 4


def test_a_line_without_its_end_waits(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    followed = Followed(path)
    append(path, "half a")
    assert followed.texts() == []
    append(path, " line\n")
    assert followed.texts() == ["half a line"]
    append(path, "Continue? ")
    assert followed.texts() == []
    assert [entry.text for entry in followed.after(UNFINISHED_S)] == ["Continue? "]


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    followed = Followed(path)
    for _ in range(5):
        append(path, "x" * 100_000)
        followed.after(0)
    append(path, "\nnext\n")
    found = followed.texts()
    assert [len(text) > LONGEST_BYTES + 50 for text in found] == [False, False]
    assert found[1] == "next"


def test_what_was_written_before_a_copy_and_cut_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    append(path, "one\n")
    followed = Followed(path)
    assert followed.texts() == ["one"]
    append(path, "two\n")
    (tmp_path / "a.log.1").write_text(path.read_text())
    path.write_text("")
    append(path, "3\n")
    assert followed.texts() == ["two", "3"]


def test_a_file_that_is_renamed_away_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "raylet.out"
    append(path, "one\n")
    followed = Followed(path)
    assert followed.texts() == ["one"]
    append(path, "two\n")
    path.rename(tmp_path / "raylet.1.out")
    append(path, "three\n")
    assert followed.texts() == ["two", "three"]
    followed.add(tmp_path / "raylet.1.out")
    assert followed.texts() == []


def test_a_file_that_is_deleted_gives_its_last_words(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    followed = Followed(path)
    append(path, "the last\n")
    followed.after(0)
    path.unlink()
    assert [entry.text for entry in followed.after(0)] == ["the last"]
    append(path, "anew\n")
    assert followed.texts() == []
    followed.add(path)
    assert followed.texts() == ["anew"]


def test_lines_without_a_time_are_as_new_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    followed = Followed(path)
    append(path, "2026-11-25 10:00:00 INFO x\n")
    followed.texts()
    append(path, "printed later\n")
    (entry,) = followed.after(60) + followed.after(QUIET)
    assert entry.at == NOW + QUIET + 60
    assert entry.level is None


def test_files_are_merged_by_time(tmp_path: Path) -> None:
    followed = Followed(tmp_path / "a.log", tmp_path / "b.log")
    append(tmp_path / "a.log", "2026-11-25 10:00:01 INFO 1\n2026-11-25 10:00:03 INFO 3\n")
    append(tmp_path / "b.log", "2026-11-25 10:00:02 INFO 2\n2026-11-25 10:00:04 INFO 4\n")
    assert [text[-1] for text in followed.texts()] == ["1", "2", "3", "4"]


def test_too_much_at_once_is_read_with_a_gap_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    followed = Followed(path, gaps=Gaps(100, "left out"))
    append(path, "one\n")
    assert followed.texts() == ["one"]
    append(path, "".join(f"line {number:03}\n" for number in range(1000)))
    found = followed.texts()
    assert found[0] == "left out"
    assert found[1:] == [f"line {number:03}" for number in range(989, 1000)]
    append(path, "last\n")
    assert followed.texts() == ["last"]

"""Which lines belong together."""

from __future__ import annotations

from pathlib import Path

from daybreak.show.logs.entry import MOST_LINES, Entry, Source, entries
from daybreak.show.logs.stamps import Level

SOURCE = Source("serve", "serve", Path("/nowhere"))
NEAR = 1795601400.0


def grouped(*lines: str) -> list[Entry]:
    return list(entries(lines, SOURCE, 5.0, NEAR))


def texts(*lines: str) -> list[str]:
    return [entry.text for entry in grouped(*lines)]


def test_a_traceback_belongs_to_the_line_that_logged_it() -> None:
    found = grouped(
        "ERROR 2026-11-25 10:08:38,938 default_App -- Request failed.",
        "Traceback (most recent call last):",
        '  File "app.py", line 3, in f',
        "ValueError: no",
        "INFO 2026-11-25 10:08:38,940 default_App -- GET / 500",
    )
    assert [len(entry.lines) for entry in found] == [4, 1]
    assert [entry.level for entry in found] == [Level.ERROR, Level.INFO]
    assert found[0].at < found[1].at


def test_a_traceback_that_nobody_logged_is_an_error_of_its_own() -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "app.py", line 3, in f',
        "KeyError: 1",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        '  File "app.py", line 5, in f',
        "ValueError: no",
    ]
    found = grouped("starting", *lines, "going on")
    assert [entry.text for entry in found] == ["starting", "\n".join(lines), "going on"]
    assert [entry.level for entry in found] == [None, Level.ERROR, None]
    assert {entry.at for entry in found} == {5.0}


def test_printed_lines_without_a_time_stand_alone() -> None:
    assert texts("one", "two", "  three") == ["one", "two", "  three"]


def test_what_ray_writes_for_its_log_monitor_is_left_out() -> None:
    assert texts(":job_id:01000000", ":actor_name:A", "one", ":task_name:noisy", "two") == ["one", "two"]


def test_times_never_go_back_within_a_file() -> None:
    found = grouped("2026-11-25 10:08:38,900\tINFO a", "2026-11-25 10:08:38,800\tINFO b", "2026-11-25 10:08:39\tINFO c")
    assert [entry.at for entry in found] == sorted(entry.at for entry in found)
    assert [entry.lines[0][-1] for entry in found] == ["a", "b", "c"]


def test_an_entry_without_end_goes_on_in_another() -> None:
    found = grouped("2026-11-25 10:08:38\tERROR begins", *["more"] * (2 * MOST_LINES))
    assert [len(entry.lines) for entry in found] == [MOST_LINES, MOST_LINES, 1]
    assert {(entry.at, entry.level) for entry in found} == {(found[0].at, Level.ERROR)}

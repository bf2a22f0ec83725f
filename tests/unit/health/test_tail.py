"""What logs say about an end: of this start alone, the reason first."""

from __future__ import annotations

from pathlib import Path

from daybreak.health.tail import complaint, last_words, sizes, tail, tail_of_all

FIRST = "2026-11-29 00:34:03 daybreak: starting api (instance a41c80291b9d)\n"
SECOND = "2026-11-29 00:35:03 daybreak: starting api (instance ca32f36d6353)\n"


def test_a_tail_begins_with_this_start(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text(f"{FIRST}ValueError: of the first start\n{SECOND}loading\n")
    assert tail(log, since_start=True) == ["loading"]
    assert "ValueError: of the first start" in tail(log)
    assert tail_of_all(log, ()) == ["loading"]


def test_further_logs_count_from_where_they_ended_when_the_service_was_started(tmp_path: Path) -> None:
    old, new = tmp_path / "session_1", tmp_path / "session_2"
    latest = tmp_path / "latest"
    for folder in (old, new):
        folder.mkdir()
    latest.symlink_to(old)
    (old / "gcs.out").write_text("ERROR of the session before\n")
    before = sizes([f"{latest}/*.out"])
    with open(old / "gcs.out", "a") as file:
        file.write("ERROR since\n")
    assert tail_of_all(tmp_path / "none", [f"{latest}/*.out"], before=before) == ["[gcs.out] ERROR since"]
    latest.unlink()
    latest.symlink_to(new)
    (new / "gcs.out").write_text("ERROR of a new session\n")
    assert tail_of_all(tmp_path / "none", [f"{latest}/*.out"], before=before) == ["[gcs.out] ERROR of a new session"]


def test_a_traceback_becomes_the_reason_and_the_frames_of_the_service(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    trace = f'Traceback (most recent call last):\n  File "{tmp_path}/main.py", line 3, in <module>\n    x["PORT"]\n'
    log.write_text(f"{SECOND}listening\n{trace}KeyError: 'PORT'\n")
    words = last_words(log, (), str(tmp_path))
    assert words.reason == "KeyError: 'PORT' (main.py:3)"
    assert words.lines == ("main.py:3, in <module>", '    x["PORT"]')
    assert words.whole[0] == "listening"


def test_without_a_traceback_the_last_complaint_is_the_reason(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text(
        "2026-11-29 00:34:03.123 UTC [77] LOG:  starting PostgreSQL\n"
        "2026-11-29 00:34:03.124 UTC [77] FATAL:  could not map anonymous shared memory: Cannot allocate memory\n"
        "2026-11-29 00:34:03.125 UTC [77] LOG:  database system is shut down\n"
    )
    expected = "FATAL:  could not map anonymous shared memory: Cannot allocate memory"
    assert last_words(log, (), "").reason == expected
    assert complaint(["all is well"]) == ""

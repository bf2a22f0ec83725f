"""The store on a real file: what is written is there, and nothing that happens to the file stops a cluster."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import DaybreakError, UsageError
from daybreak.timeline import database, pending
from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.reader import Reader
from daybreak.timeline.receipt import Receipt
from daybreak.timeline.stops import was_asked_to_stop
from daybreak.timeline.store import Store
from tests.unit.timeline.replayed import event, history


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "timeline.db"


def begin(timeline: Store, kind: RunKind = RunKind.STARTUP, **rest: Any) -> int:
    values: dict[str, Any] = {
        "workers": 3,
        "warm": True,
        "versions": {"ray": "2.50.0"},
        "machine": {"cpus": 8},
        "spec_digest": "abc",
        "wall": 1_760_000_000.5,
    }
    return timeline.begin_run(kind, **values | rest)


def finished(timeline: Store, kind: RunKind = RunKind.STARTUP, *, events: int = 2) -> int:
    run = begin(timeline, kind)
    for number in range(events):
        assert timeline.add(event(Kind.NOTE, number / 10, run=run, text=f"note {number}"))
    timeline.end_run(run, Outcome.OK, 4.0, 3.0, 3.5, None)
    return run


def test_a_run_reads_back_as_it_was_written(path: Path) -> None:
    with Store(path) as timeline:
        run = begin(timeline)
        assert timeline.run(run).outcome is Outcome.RUNNING
        timeline.end_run(run, Outcome.FAILED, 4.25, 3.5, None, "serve died")
        found = timeline.run(run)
    assert found.receipt is None
    assert (found.kind, found.workers, found.warm, found.spec_digest) == (RunKind.STARTUP, 3, True, "abc")
    assert (found.versions, found.machine, found.began_wall) == ({"ray": "2.50.0"}, {"cpus": 8}, 1_760_000_000.5)
    assert (found.outcome, found.duration_s, found.ready_after_s) == (Outcome.FAILED, 4.25, 3.5)
    assert (found.first_response_s, found.error) == (None, "serve died")


def test_a_history_reads_back_as_it_happened(path: Path) -> None:
    written = history("startup")
    with Store(path) as timeline:
        begin(timeline)
        assert all(timeline.add(one) for one in written)
    with Reader(path) as timeline:
        assert timeline.events(1) == written
        assert timeline.recent(3) == written[-3:]
        assert timeline.recent(0) == []
        some = {Kind.READY, Kind.GATE_PASSED}
        assert timeline.recent(2, some) == [one for one in written if one.kind in some][-2:]
        assert timeline.events(99) == []
        assert timeline.notes == []


def test_runs_are_newest_first_and_selected(path: Path) -> None:
    with Store(path) as timeline:
        first = finished(timeline)
        second = finished(timeline, RunKind.RESTART)
        third = begin(timeline)
        assert [run.id for run in timeline.runs()] == [third, second, first]
        assert [run.id for run in timeline.runs(RunKind.STARTUP)] == [third, first]
        assert [run.id for run in timeline.runs(limit=2)] == [third, second]
        assert [run.id for run in timeline.runs(RunKind.STARTUP, outcome=Outcome.OK)] == [first]


def test_an_unknown_run_is_an_error_that_says_what_to_do(path: Path) -> None:
    with Store(path) as timeline, pytest.raises(UsageError, match="no run 7") as caught:
        timeline.run(7)
    assert caught.value.hint is not None
    assert "perf history" in caught.value.hint


def test_a_missing_file_reads_as_empty_and_stays_missing(path: Path) -> None:
    with Reader(path) as timeline:
        assert (timeline.runs(), timeline.recent(5), timeline.notes) == ([], [], [])
        assert not path.exists()
        with Store(path) as writer:
            finished(writer)
            assert len(timeline.runs()) == 1, "a reader sees a file that appears later"


def test_only_the_owner_may_read_the_files(path: Path) -> None:
    umask = os.umask(0)
    try:
        with Store(path) as timeline:
            finished(timeline)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(umask)
    assert modes == {"timeline.db": 0o600, "timeline.db-wal": 0o600, "timeline.db-shm": 0o600}


def test_odd_values_are_kept_in_some_form(path: Path) -> None:
    odd: dict[str, Any] = {"path": Path("/x"), "tail": ["caf\udce9"], "big": 10**30}
    with Store(path) as timeline:
        run = begin(timeline, versions={"a": {1, 2}})
        assert timeline.add(Event(Kind.NOTE, 0.0, 0.0, "\udcff", run, odd))
        timeline.end_run(run, Outcome.FAILED, 1.0, None, None, "no caf\udce9")
        (found,) = timeline.events(run)
        assert found.data == {"path": "/x", "tail": ["caf\udce9"], "big": 10**30}
        assert timeline.run(run).error == "no caf\\udce9"


def test_a_write_that_no_disk_would_take_does_not_hold_up_the_next(path: Path) -> None:
    with Store(path) as timeline:
        timeline.add(event(Kind.NOTE, float("nan")))
        assert timeline.add(event(Kind.NOTE, 1.0))
        assert [one.at_s for one in timeline.events(1)] == [1.0]
        assert "could not be recorded" in timeline.notes[0]


def test_a_receipt_reads_back_as_it_was_written(path: Path) -> None:
    receipt = Receipt(requests=12304, slowest_ms=38)
    with Store(path) as timeline:
        run = begin(timeline, RunKind.RESTART)
        timeline.end_run(run, Outcome.OK, 3.1, receipt=receipt)
        assert timeline.run(run).receipt == receipt
        assert timeline.run(run).to_json()["receipt"]["requests"] == 12304


def test_words_of_a_newer_version_are_passed_over(path: Path) -> None:
    with Store(path) as timeline:
        run = finished(timeline)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("UPDATE events SET kind = 'teleported' WHERE at_s = 0")
            nothing = "NULL, NULL, NULL"
            other.execute(
                f"INSERT INTO runs SELECT 9, 'levitation', 0, 'ok', 0, 0, '{{}}', '{{}}', '', 1, 1, 1, {nothing}"
            )
        assert len(timeline.events(run)) == 1
        assert [one.id for one in timeline.runs()] == [run]


def test_clear_deletes_finished_runs_only(path: Path) -> None:
    with Store(path) as timeline:
        finished(timeline, events=500)
        restart = finished(timeline, RunKind.RESTART)
        running = begin(timeline)
        timeline.add(event(Kind.NOTE, 0.5, run=running))
        timeline.add(event(Kind.HEALTH, 0.6, run=None))
        size = path.stat().st_size
        assert timeline.clear([RunKind.STARTUP]) == 1
        assert [run.id for run in timeline.runs()] == [running, restart]
        assert len(timeline.recent(100)) == 4
        assert timeline.clear([]) == 0
        assert timeline.clear() == 1
        assert [run.id for run in timeline.runs()] == [running]
        assert [one.run for one in timeline.recent(100)] == [running]
        assert path.stat().st_size < size or size == 2096
        assert begin(timeline) == running + 1, "numbers are never given twice"


def test_another_process_may_read_while_we_write(path: Path) -> None:
    total = 300
    with Store(path) as timeline:
        run = begin(timeline)
        counts: list[int] = []

        def read() -> None:
            with Reader(path) as reader:
                while not counts or counts[-1] < total:
                    counts.append(len(reader.events(run)))

        thread = threading.Thread(target=read)
        thread.start()
        written = [timeline.add(event(Kind.NOTE, number / 1000, run=run)) for number in range(total)]
        thread.join(timeout=60)
        assert not thread.is_alive()
        assert all(written)
        assert counts == sorted(counts)


def test_a_reader_in_the_middle_of_a_transaction_does_not_hold_up_the_writer(path: Path) -> None:
    with Store(path) as timeline, closing(sqlite3.connect(path, isolation_level=None)) as other:
        run = begin(timeline)
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM events").fetchone() == (0,)
        assert timeline.add(event(Kind.NOTE, 0.1, run=run))
        assert other.execute("SELECT count(*) FROM events").fetchone() == (0,)
        other.execute("COMMIT")
        assert other.execute("SELECT count(*) FROM events").fetchone() == (1,)


def test_a_locked_file_delays_events_but_loses_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WRITER_BUSY_MS", 1)
    with Store(path) as timeline, closing(sqlite3.connect(path, isolation_level=None)) as other:
        run = begin(timeline)
        other.execute("BEGIN IMMEDIATE")
        assert not timeline.add(event(Kind.NOTE, 0.1, run=run))
        assert [one.at_s for one in timeline.events(run)] == [0.1], "what waits in memory is read too"
        assert [one.at_s for one in timeline.recent(5)] == [0.1]
        other.execute("COMMIT")
        assert timeline.add(event(Kind.NOTE, 0.2, run=run))
        assert [one.at_s for one in timeline.events(run)] == [0.1, 0.2]
        assert "locked" in timeline.notes[0]


def test_only_the_oldest_events_are_lost_when_memory_ends(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WRITER_BUSY_MS", 1)
    monkeypatch.setattr(pending, "PENDING_LIMIT", 3)
    with Store(path) as timeline:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            run = begin(timeline)
            for number in range(4):
                assert not timeline.add(event(Kind.NOTE, float(number), run=run))
            timeline.end_run(run, Outcome.OK, 4.0, None, None, None)
        assert timeline.add(event(Kind.NOTE, 9.0, run=None))
        assert [one.at_s for one in timeline.events(run)] == [3.0]
        assert timeline.run(run).outcome is Outcome.OK


def test_a_keeper_that_died_leaves_interrupted_runs(path: Path) -> None:
    program = f"""
import os
from daybreak.timeline.event import Event, Kind, RunKind
from daybreak.timeline.stops import was_asked_to_stop
from daybreak.timeline.store import Store
from daybreak.timeline.reader import Reader
from daybreak.timeline.receipt import Receipt
timeline = Store({str(path)!r})
run = timeline.begin_run(RunKind.STARTUP, workers=1, warm=False, versions={{}}, machine={{}}, spec_digest="", wall=0.0)
timeline.add(Event(Kind.WAITING, 1.5, 1.5, "head", run))
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    with Reader(path) as reader:
        assert reader.run(1).outcome is Outcome.RUNNING
        assert len(reader.events(1)) == 1, "what was written before the crash is there"
    with Store(path) as timeline:
        mine = begin(timeline)
        assert timeline.mark_interrupted() == 1
        assert timeline.mark_interrupted() == 0
        left = timeline.run(1)
        assert (left.outcome, left.duration_s) == (Outcome.INTERRUPTED, 1.5)
        assert left.error == "the keeper ended before the run did"
        assert timeline.run(mine).outcome is Outcome.RUNNING


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_broken_file_is_set_aside(path: Path, content: bytes) -> None:
    for number in (1, 2):
        path.write_bytes(content)
        with Store(path) as timeline:
            assert f"corrupt-{number}" in timeline.notes[0]
            assert timeline.runs() == []
            assert finished(timeline) == 1
        assert (path.parent / f"timeline.db.corrupt-{number}").read_bytes() == content


def test_a_reader_leaves_a_broken_file_alone(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)
    with Reader(path) as timeline:
        assert timeline.runs() == []
        assert "cannot be read" in timeline.notes[0]
    assert [file.name for file in path.parent.iterdir()] == ["timeline.db"]


def test_a_file_that_breaks_during_a_run_is_replaced_and_the_run_goes_on(path: Path) -> None:
    with Store(path) as timeline:
        finished(timeline)
        run = begin(timeline)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("DROP TABLE events")
        assert timeline.add(event(Kind.NOTE, 0.1, run=run)), "the event is in the new file"
        timeline.end_run(run, Outcome.OK, 1.0, None, None, None)
        assert [one.id for one in timeline.runs()] == [run]
        assert timeline.run(run).outcome is Outcome.OK
        assert len(timeline.events(run)) == 1
        assert "corrupt-1" in timeline.notes[0]


def test_a_deleted_file_is_made_anew_and_the_run_goes_on(path: Path) -> None:
    with Store(path) as timeline, Reader(path) as reader:
        run = begin(timeline)
        assert reader.run(run)
        for file in path.parent.iterdir():
            file.unlink()
        assert timeline.add(event(Kind.NOTE, 0.1, run=run))
        assert reader.run(run).outcome is Outcome.RUNNING
        assert len(reader.events(run)) == 1


def test_a_file_of_a_newer_version_is_kept_aside(path: Path) -> None:
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    with Reader(path) as reader:
        assert reader.runs() == []
        assert "newer daybreak" in reader.notes[0]
    with Store(path) as timeline:
        assert "schema99-1" in timeline.notes[0]
        finished(timeline)


def test_an_older_file_is_migrated_and_read_without_being_changed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path) as timeline:
        finished(timeline)

    def mark(db: sqlite3.Connection) -> None:
        db.execute("UPDATE runs SET spec_digest = 'migrated'")

    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, mark))
    before = path.read_bytes()
    with Reader(path) as reader:
        assert reader.run(1).spec_digest == "migrated"
    assert path.read_bytes() == before
    with Store(path) as timeline:
        assert timeline.run(1).spec_digest == "migrated"
    with closing(sqlite3.connect(path)) as other:
        assert database.schema_version(other) == len(database.MIGRATIONS)


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM runs")
        raise OSError("the power went")

    with Store(path) as timeline:
        finished(timeline)
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, half))
        with Store(path) as timeline:
            assert "the power went" in timeline.notes[0]
            assert timeline.runs() == []
    with Store(path) as timeline:
        assert len(timeline.runs()) == 1


def test_a_folder_that_is_missing_delays_events_until_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    with Store(folder / "timeline.db") as timeline:
        run = begin(timeline)
        assert not timeline.add(event(Kind.NOTE, 0.1, run=run))
        folder.mkdir()
        assert timeline.add(event(Kind.NOTE, 0.2, run=run))
        assert [one.at_s for one in timeline.events(run)] == [0.1, 0.2]
        assert timeline.run(run).outcome is Outcome.RUNNING


def test_a_file_without_write_permission_still_reads(path: Path) -> None:
    with Store(path) as timeline:
        finished(timeline)
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with Reader(path) as reader:
            assert len(reader.runs()) == 1
            assert reader.notes == []
    finally:
        path.parent.chmod(0o700)


class Volume:
    """A file system of 2 MiB that can be made read-only, filled and emptied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                pass

    def empty(self) -> None:
        self._filler.unlink()

    def remount(self, mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.folder)], check=True)


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield Volume(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_delays_events_but_loses_none(volume: Volume) -> None:
    with Store(volume.folder / "timeline.db") as timeline:
        first = begin(timeline)
        volume.fill()
        kept = [timeline.add(event(Kind.NOTE, number / 10, run=first, text="x" * 500)) for number in range(50)]
        assert not kept[-1]
        timeline.end_run(first, Outcome.OK, 1.0, None, None, None)
        second = begin(timeline)
        assert second == first + 1
        assert len(timeline.events(first)) == 50
        assert any("full" in note or "I/O" in note for note in timeline.notes)
        volume.empty()
        assert timeline.add(event(Kind.NOTE, 0.0, run=second))
    with Reader(volume.folder / "timeline.db") as reader:
        assert [one.at_s for one in reader.events(first)] == [number / 10 for number in range(50)]
        assert [run.outcome for run in reader.runs()] == [Outcome.RUNNING, Outcome.OK]


def test_a_disk_that_is_full_from_the_begin_stops_nothing(volume: Volume) -> None:
    volume.fill()
    with Store(volume.folder / "timeline.db") as timeline:
        run = begin(timeline)
        assert not timeline.add(event(Kind.NOTE, 0.1, run=run))
        assert timeline.notes
        volume.empty()
        timeline.end_run(run, Outcome.OK, 1.0, None, None, None)
        assert timeline.run(run).outcome is Outcome.OK


def test_clearing_a_full_disk_works_or_says_why_not(volume: Volume) -> None:
    with Store(volume.folder / "timeline.db") as timeline:
        for _ in range(20):
            finished(timeline, events=3)
        volume.fill()
        with pytest.raises(DaybreakError, match="could not be cleared") as caught:
            timeline.clear()
        assert caught.value.hint is not None
        volume.empty()
        assert timeline.clear() == 20


def test_a_read_only_disk_still_reads(volume: Volume) -> None:
    path = volume.folder / "timeline.db"
    with Store(path) as timeline:
        finished(timeline)
    volume.remount("ro")
    with Reader(path) as reader:
        assert len(reader.runs()) == 1
        assert reader.notes == []
    with Store(path) as timeline:
        assert not timeline.add(event(Kind.NOTE, 0.1))
        assert timeline.notes


def test_who_was_asked_to_stop_and_when(tmp_path: Path) -> None:
    path = tmp_path / "timeline.db"
    assert not was_asked_to_stop(path, "head", 100.0)
    with Store(path) as store:
        store.add(Event(Kind.STOPPING, 1.0, 100.0, "head", None, {"why": "restart"}))
        assert was_asked_to_stop(path, "head", 100.2)
    assert not was_asked_to_stop(path, "head", 99.9), "what is said before that is no parting word"
    assert not was_asked_to_stop(path, "head", 200.0)
    assert not was_asked_to_stop(path, "worker-1", 100.2)

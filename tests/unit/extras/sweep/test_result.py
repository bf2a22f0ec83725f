"""Which number of workers is best, and what is told about it."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from rich.console import Console

from daybreak.extras.sweep.result import Answers, Point, Replicas, Sweep
from daybreak.show.sweep import point_line, sweep_report
from tests.unit.extras.sweep.samples import point, sweep


def best(*points: Point) -> int | None:
    found = sweep(*points).best
    return found.workers if found else None


def test_the_fewest_workers_that_are_nearly_as_good_are_best() -> None:
    assert best(point(1, 100), point(2, 200), point(3, 291), point(4, 300)) == 3
    assert best(point(1, 100), point(2, 200), point(3, 280), point(4, 300)) == 4
    assert best(point(4, 300), point(3, 291)) == 3
    assert best(point(1, 300), point(2, 100)) == 1


def test_a_number_with_many_errors_is_not_considered() -> None:
    assert best(point(1, 100), point(2, 500, errors=200)) == 1
    assert best(point(1, 100), point(2, 500, errors=5)) == 2
    assert best(point(1, 100, errors=900)) is None
    assert best(Point(1, Answers(10.0, 0))) is None
    assert "no best number" in sweep(Point(1, Answers(10.0, 0))).verdict()


def test_the_verdict_says_how_it_was_chosen() -> None:
    verdict = sweep(point(1, 100), point(2, 295), point(3, 300)).verdict()
    assert verdict == "best: 2 workers with 295 requests/s (the fewest within 5% of the best throughput, 300/s with 3)"
    assert "which it has itself" in sweep(point(1, 100)).verdict()


def test_replicas_that_stay_the_same_are_told() -> None:
    assert "more workers change nothing" in " ".join(sweep(point(1, 100), point(2, 101)).notes())
    (differs,) = sweep(point(1, 100), point(2, 200)).notes()
    assert "tasks and actors" in differs
    assert "noise" in differs
    assert sweep(point(1, 100, running=1), point(2, 200, running=2)).notes() == []
    assert sweep(point(1, 100)).notes() == []
    autoscaled = (Replicas("App", 1, 1, autoscaled=True),)
    same = [Point(n, point(n, 100).answers, autoscaled) for n in (1, 2)]
    assert sweep(*same).notes() == []


def test_replicas_that_find_no_room_are_told() -> None:
    (note,) = sweep(point(1, 100, running=2, target=4), point(2, 200, running=4)).notes()
    assert note.startswith("with 1 worker only 2 of 4 replicas of App ran")


def test_errors_a_busy_generator_and_restless_replicas_are_told() -> None:
    errors, busy = sweep(point(1, 100, errors=50, running=1), point(2, 500, running=2, cpu=0.97)).notes()
    assert errors == "with 1 worker 4.8% of the requests failed (50 x 503); it was not considered"
    assert "with 2 workers" in busy
    (restless,) = sweep(Point(1, point(1, 100).answers, (), steady=False)).notes()
    assert "had not settled" in restless


def test_a_restless_measurement_is_told() -> None:
    restless = replace(point(1, 700).answers, per_second=[850, 610])
    (note,) = sweep(Point(1, restless)).notes()
    assert note.startswith("with 1 worker there were 610 to 850 good answers in a second")
    assert sweep(Point(1, replace(point(1, 5).answers, per_second=[3, 7]))).notes() == []


def test_json_reads_back() -> None:
    made = sweep(point(1, 100, errors=3), point(2, 200))
    raw = json.loads(json.dumps(made.to_json()))
    assert Sweep.from_json(raw) == made
    assert (raw["best"], raw["complete"]) == (2, True)
    assert raw["points"][0]["requests_per_s"] == 100.0


def test_the_report_is_a_table_with_a_verdict() -> None:
    out = io.StringIO()
    Console(file=out, width=160, no_color=True).print(sweep_report(sweep(point(1, 100), point(2, 200, running=2))))
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert lines[0] == "POST /predict with request.json, 16 connections, 10.0 s each"
    assert lines[1] == "workers replicas requests/s p50 p95 p99 errors"
    assert lines[2:4] == ["1 1 100.0 10 ms 20 ms 30 ms 0", "2 2 200.0 10 ms 20 ms 30 ms 0 best"]
    assert lines[5].startswith("best: 2 workers")
    unknown = Point(1, Answers(10.0, 0))
    assert point_line(unknown) == "1 worker: 0.0 requests/s, p50 -, p95 -, p99 -, 0 errors"

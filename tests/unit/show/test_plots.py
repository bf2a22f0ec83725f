"""Plots: drawn from very little and from very much, without a display, legible as far as that can be tested."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from daybreak.show.plots.compare import compare_figure
from daybreak.show.plots.gantt import gantt_figure
from daybreak.show.plots.history import history_figure
from daybreak.show.plots.service_phases import MOST_ROWS, rows_of
from daybreak.show.plots.style import new_figure, save, spread, style, upper_end
from daybreak.show.plots.sweep import sweep_figure
from daybreak.show.plots.workers import workers_figure
from daybreak.timeline.chain import critical_chain
from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.phases import phases
from daybreak.timeline.run import Run
from tests.unit.extras.sweep.samples import point, sweep
from tests.unit.timeline.replayed import a_run, history


def texts(figure: Figure) -> list[str]:
    """Every text in a figure."""
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in (*axes.texts, *axes.get_yticklabels())]
    return found


def drawn(figure: Figure, folder: Path, name: str = "plot.png") -> Path:
    """Saved, which is when everything is really drawn: warnings are errors here."""
    path = folder / name
    save(figure, path)
    return path


def runs(count: int, groups: Sequence[tuple[int, bool]] = ((3, True),)) -> list[Run]:
    chance = random.Random(1)
    made = []
    for number in range(1, count + 1):
        workers, warm = chance.choice(groups)
        kind = chance.choice((RunKind.STARTUP, RunKind.RESTART))
        value = chance.gauss(5 + workers / 3, 0.2) * (40 if number % 97 == 0 else 1)
        outcome = Outcome.FAILED if number % 50 == 3 else Outcome.OK
        made.append(a_run(number, value, kind=kind, workers=workers, warm=warm, outcome=outcome))
    return made


def start_of(workers: int, *, slower: float = 1.0) -> list[Event]:
    """The events of a start whose last worker is the slowest."""
    events = [
        Event(Kind.STARTING, 0.1, 0.0, "head", 1, {"waited_s": 0.0}),
        Event(Kind.GATE_PASSED, 1.5 * slower, 0.0, "head", 1, {"gate": "gcs", "attempts": 9}),
        Event(Kind.READY, 4.0 * slower, 0.0, "head", 1),
    ]
    for number in range(1, workers + 1):
        name, at_s = f"worker-{number}", (2.0 + number * 0.1) * slower
        events.append(Event(Kind.WAITING, 0.1, 0.0, name, 1, {"for": ["head.gcs"]}))
        data = {"waited_s": 1.5 * slower - 0.1, "last_need": "head.gcs"}
        events.append(Event(Kind.STARTING, 1.5 * slower, 0.0, name, 1, data))
        events.append(Event(Kind.GATE_PASSED, at_s + 2, 0.0, name, 1, {"gate": "raylet", "attempts": 5}))
        events.append(Event(Kind.READY, at_s + 2, 0.0, name, 1))
    end_s = max(event.at_s for event in events)
    return [*events, Event(Kind.RUN_ENDED, end_s, 0.0, None, 1, {"outcome": "ok"})]


@pytest.mark.parametrize("count", [1, 2, 500])
def test_the_history_of_few_and_of_many_runs(tmp_path: Path, count: int) -> None:
    figure = history_figure("visits", runs(count, [(1, True), (3, True), (3, False)]))
    path = drawn(figure, tmp_path)
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    assert 1000 < width < 3000
    assert 300 < height < 3000


def test_the_history_names_medians_and_outliers() -> None:
    made = [a_run(number, value) for number, value in enumerate([4.0, 4.2, 3.9, 4.1, 160.0, 4.0, 4.1], 1)]
    figure = history_figure("visits", [*made, a_run(8, 2.0, outcome=Outcome.FAILED)])
    assert "visits: 8 starts" in texts(figure)
    assert any("4.10 s (median of 7)" in text for text in texts(figure))
    assert "run 5: 2m 40s" in texts(figure)
    assert any("×: failed or interrupted" in text for text in texts(figure))
    assert figure.axes[0].get_ylim()[1] < 10, "one run does not flatten the others"


def test_more_groups_than_colours(tmp_path: Path) -> None:
    figure = history_figure("visits", runs(80, [(workers, warm) for workers in range(1, 9) for warm in (True, False)]))
    drawn(figure, tmp_path)
    assert any("grey: further groups" in text for text in texts(figure))


def test_a_history_of_failures_only(tmp_path: Path) -> None:
    drawn(history_figure("visits", [a_run(1, 2.0, outcome=Outcome.FAILED)]), tmp_path)


@pytest.mark.parametrize("name", ["startup", "restart", "failed", "interrupted"])
def test_the_phases_of_recorded_runs(tmp_path: Path, name: str) -> None:
    events = history(name)
    figure = gantt_figure("visits", a_run(7, 5.0, error="costs $5 and $6 中文"), events)
    drawn(figure, tmp_path)
    shown = texts(figure)
    assert all(link.service in shown for link in critical_chain(events))


def test_the_critical_chain_is_marked() -> None:
    axes = gantt_figure("visits", a_run(7, 6.0, first_response_s=2.0, ready_after_s=6.0), start_of(3)).axes[0]
    bold = {text.get_text() for text in axes.get_yticklabels() if text.get_fontweight() == "bold"}
    assert bold == {"head", "worker-3"}
    assert {"first response 2.00 s", "all ready 6.00 s"} <= {text.get_text() for text in axes.texts}


@pytest.mark.parametrize("workers", [0, 1, 32, 200])
def test_any_number_of_workers(tmp_path: Path, workers: int) -> None:
    events = start_of(workers)
    figure = gantt_figure("visits", a_run(7, 6.0, workers=workers), events)
    drawn(figure, tmp_path)
    rows = rows_of(phases(events), {link.service for link in critical_chain(events)})
    assert len(rows) <= MOST_ROWS
    assert (rows[-1].name == "188 more workers") is (workers == 200)
    if workers:
        assert f"worker-{workers}" in texts(figure), "the slowest one is always there"


def test_rows_are_in_the_order_in_which_services_began() -> None:
    assert [row.name for row in rows_of(phases(start_of(11)))][:4] == ["head", "worker-1", "worker-2", "worker-3"]


def test_a_run_without_events_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="run 7 has no phases"):
        gantt_figure("visits", a_run(7, 5.0), [])
    with pytest.raises(ValueError, match="run 8 has no phases"):
        compare_figure("visits", (a_run(7, 5.0), start_of(1)), (a_run(8, 5.0), []))


def test_two_runs_are_compared(tmp_path: Path) -> None:
    first, second = (a_run(7, 5.0), start_of(2)), (a_run(8, 7.0), start_of(3, slower=1.5))
    figure = compare_figure("visits", first, second)
    drawn(figure, tmp_path)
    shown = texts(figure)
    assert shown.count("only in run 8") == 1
    assert "+2.00 s" in shown
    same = texts(compare_figure("visits", first, first))
    assert same.count("the same") == 3


def test_two_large_runs_are_compared(tmp_path: Path) -> None:
    large = [(a_run(number, 5.0, workers=200), start_of(200, slower=number)) for number in (1, 2)]
    figure = compare_figure("visits", large[0], large[1])
    drawn(figure, tmp_path)
    assert "188 more workers" in figure.axes[0].get_xlabel()


def test_time_against_workers(tmp_path: Path) -> None:
    figure = workers_figure("visits", runs(200, [(workers, True) for workers in (1, 2, 4, 8, 16, 32)]))
    drawn(figure, tmp_path)
    assert any("with 32 workers" in text for text in texts(figure))
    drawn(workers_figure("visits", [a_run(1, 5.0)]), tmp_path)
    with pytest.raises(ValueError, match="no run ended ok"):
        workers_figure("visits", [a_run(1, 5.0, outcome=Outcome.FAILED)])


def test_a_sweep(tmp_path: Path) -> None:
    figure = sweep_figure(sweep(point(1, 100), point(2, 290, running=2), point(3, 300, running=3)))
    drawn(figure, tmp_path)
    assert "visits: 2 workers are enough" in texts(figure)
    assert "290/s\n2 replicas" in texts(figure)
    drawn(sweep_figure(sweep(*(point(count, count * 10.0) for count in range(33)))), tmp_path)
    drawn(sweep_figure(sweep(point(1, 0, errors=5))), tmp_path)
    with pytest.raises(ValueError, match="before anything was measured"):
        sweep_figure(sweep())


def test_the_same_figure_makes_the_same_file(tmp_path: Path) -> None:
    for ending in ("png", "svg"):
        both = [drawn(history_figure("visits", runs(9)), tmp_path, f"{number}.{ending}") for number in (1, 2)]
        assert both[0].read_bytes() == both[1].read_bytes()
    assert (tmp_path / "1.svg").read_text().startswith("<?xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png", "1.svg", "2.png", "2.svg"]


def test_a_users_own_settings_do_not_matter(tmp_path: Path) -> None:
    import matplotlib

    before = drawn(history_figure("visits", runs(5)), tmp_path, "before.png").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        assert drawn(history_figure("visits", runs(5)), tmp_path, "after.png").read_bytes() == before


def test_labels_are_moved_apart() -> None:
    assert spread([5.0, 5.1, 9.0], 1.0, 0.0, 10.0) == [5.0, 6.0, 9.0]
    assert spread([9.9, 9.8], 1.0, 0.0, 10.0) == [10.0, 9.0]
    assert spread([], 1.0, 0.0, 10.0) == []


def test_an_axis_ends_where_the_usual_values_do() -> None:
    assert upper_end([1.0, 2.0, 50.0], [1.0, 2.0]) == pytest.approx(2.7)
    assert upper_end([1.0, 2.0], [1.0, 2.0]) == pytest.approx(2.24)
    assert upper_end([0.0], []) == 1.0


def test_figures_have_no_frame_around_them() -> None:
    with style():
        _, axes = new_figure(4, 3)
    assert isinstance(axes, Axes)
    assert not axes.spines["top"].get_visible()
    assert not any(isinstance(text, Annotation) for text in axes.texts)

"""The reports of `daybreak perf`: readable without colour in 80 columns, and complete as JSON."""

from __future__ import annotations

import io
import json
from typing import Any

from rich.console import Console, RenderableType

from daybreak.show.perf import (
    chain_json,
    chain_report,
    history_json,
    history_table,
    sparkline,
    stats_json,
    stats_report,
)
from daybreak.timeline.event import Outcome, RunKind
from daybreak.timeline.run import Run
from tests.unit.timeline.replayed import a_run, history

NOW = 1_760_100_000.0


def shown(renderable: RenderableType) -> str:
    """As it arrives in a file: 80 columns, no colour, lines without their trailing blanks."""
    out = io.StringIO()
    Console(file=out, width=80).print(renderable)
    text = out.getvalue()
    assert "\x1b" not in text
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    return "\n".join(lines)


def many_runs() -> list[Run]:
    values = [4.0, 4.2, 3.9, 4.1, 9.5, 4.0, 4.1, 3.8]
    runs = [a_run(i + 1, value, ready_after_s=3.0, first_response_s=3.5) for i, value in enumerate(values)]
    runs.append(a_run(9, 2.0, outcome=Outcome.FAILED, error="serve died: [Errno 28] no space left"))
    runs.append(a_run(10, 1.0, outcome=Outcome.INTERRUPTED))
    runs.append(a_run(11, 125.0, kind=RunKind.RESTART, warm=False))
    runs.append(a_run(12, None, kind=RunKind.RECOVERY, outcome=Outcome.RUNNING))
    return runs[::-1]


def rows(text: str) -> list[str]:
    """The lines with single blanks, so that widths do not matter."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_history_has_one_row_a_run() -> None:
    text = shown(history_table(many_runs(), NOW))
    found = rows(text)
    assert found[0] == "run when what workers start outcome ready response total"
    assert [row.split()[0] for row in found[1:13]] == [str(number) for number in range(12, 0, -1)]
    assert found[1] == "12 24 h ago recovery 3 warm running - - -"
    assert found[2] == "11 24 h ago restart 3 cold ok - - 2m 05s"
    assert found[12] == "1 27 h ago startup 3 warm ok 3.00 s 3.50 s 4.00 s"
    assert text.endswith("run 9: serve died: [Errno 28] no space left"), "brackets are not taken for markup"


def test_a_narrow_terminal_folds_and_loses_nothing() -> None:
    out = io.StringIO()
    Console(file=out, width=44).print(history_table(many_runs(), NOW))
    assert "…" not in out.getvalue()


def test_no_runs_says_how_to_get_some() -> None:
    for renderable in (history_table([], NOW), stats_report([])):
        assert "`daybreak up`" in shown(renderable)


def test_the_statistics_name_what_was_left_out_and_what_not_to_trust() -> None:
    text = shown(stats_report(many_runs()))
    found = rows(text)
    assert found[0] == "what workers start runs median min max MAD"
    assert found[1] == "startup 3 warm 8 4.05 s 3.80 s 9.50 s 100 ms"
    assert found[2] == "restart 3 cold 1 2m 05s 2m 05s 2m 05s 0 ms"
    assert "left out: 1 failed, 1 interrupted" in found
    assert "▁▁▁▁█▁▁▁  steady (-" in text
    assert "ready after 3.00 s, first response after 3.50 s (medians)" in text
    assert "Warning: far from the median of 4.05 s: run 5 (9.50 s)." in text
    assert "too few runs for a trend" in text
    assert "recovery" not in text, "a run under way has no statistics"


def test_a_sparkline_reaches_from_the_lowest_to_the_highest() -> None:
    assert sparkline([]) == ""
    assert sparkline([2.0, 2.0]) == "▄▄"
    assert sparkline([float(value) for value in range(8)]) == "▁▂▃▄▅▆▇█"


def test_the_chain_of_a_startup() -> None:
    run = a_run(1, 2.61)
    assert shown(chain_report(run, history("startup"))).splitlines() == [
        "run 1: startup, 3 workers, warm: ok in 2.61 s",
        "@ is when a service could start, + is how long it then took.",
        "gateway @2.55 s +50 ms (mostly gate port: 30 ms, 1 check)",
        "└── serve @1.03 s +1.52 s (mostly gate application: 1.50 s, 17 checks)",
        "    └── head.raylet @30 ms +1.00 s (mostly gate gcs: 400 ms, 9 checks)",
    ]


def test_the_chain_of_a_failed_run_names_what_failed_and_what_was_cut_off() -> None:
    run = a_run(2, 2.11, outcome=Outcome.FAILED, error="serve ended [app] with exit code 1")
    text = shown(chain_report(run, history("failed")))
    assert "failed after 2.11 s\nserve ended [app] with exit code 1\n" in text
    assert "\nserve failed @1.03 s +700 ms" in text
    assert "worker-1 was cut off after 1.29 s of gate registered: the node is not listed" in text
    assert "gateway was cut off" not in text, "it failed because of serve"


def test_the_chain_of_an_interrupted_run_says_what_each_service_was_at() -> None:
    text = shown(chain_report(a_run(3, 1.06, outcome=Outcome.INTERRUPTED), history("interrupted")))
    assert "gateway was cut off after 1.05 s of waiting: for serve" in text


def test_the_chain_of_a_restart_begins_with_a_stop() -> None:
    text = shown(chain_report(a_run(4, 3.04, kind=RunKind.RESTART), history("restart")))
    assert text.endswith("└── head stopped @512 ms +1.00 s")


def test_a_run_without_events_has_no_chain() -> None:
    text = shown(chain_report(a_run(5, None, outcome=Outcome.RUNNING), []))
    assert text.startswith("run 5: startup, 3 workers, warm: running\n")
    assert "there is no chain" in text


def plain(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(value, allow_nan=False))
    return found


def test_json_keeps_the_raw_samples() -> None:
    runs = many_runs()
    assert [run["id"] for run in plain(history_json(runs))["runs"]] == list(range(12, 0, -1))
    found = plain(stats_json(runs))["summaries"]
    startup = next(one for one in found if one["kind"] == "startup" and one["measure"] == "duration_s")
    assert startup["median_s"] == 4.05
    assert [sample["value_s"] for sample in startup["samples"]] == [4.0, 4.2, 3.9, 4.1, 9.5, 4.0, 4.1, 3.8]
    assert startup["outliers"] == [5]
    assert {one["measure"] for one in found} == {"duration_s", "ready_after_s", "first_response_s"}
    assert plain(stats_json([])) == {"summaries": []}
    assert plain(history_json([])) == {"runs": []}


def test_json_of_a_chain_holds_what_it_was_made_from() -> None:
    events = history("startup")
    found = plain(chain_json(a_run(1, 2.61), events))
    assert [link["service"] for link in found["chain"]] == ["gateway", "serve", "head"]
    assert found["run"]["id"] == 1
    assert found["events"] == [one.to_json() for one in events]
    assert {phase["service"] for phase in found["phases"]} >= {"head", "postgres", "worker-3"}

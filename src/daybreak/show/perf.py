"""The reports of `daybreak perf`: history, statistics, critical chain; for people, and as JSON values. Prints nothing.

Tables have no frames and fit 80 columns, and no meaning lies in colour alone, so they also read well in a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from daybreak.show.receipt import receipt_text
from daybreak.show.text import ago, harmless, plural, seconds
from daybreak.timeline.chain import Link, Reached, critical_chain
from daybreak.timeline.event import Event, Outcome
from daybreak.timeline.phases import Ended, Phase, PhaseKind, phases
from daybreak.timeline.run import Run
from daybreak.timeline.stats import MEASURES, TREND_WINDOW, Summary, Trend, summarise

NO_RUNS = "No runs recorded yet; `daybreak up` or `daybreak perf startup` records the first."

_BARS = "▁▂▃▄▅▆▇█"
_STYLES = {
    Outcome.OK: "green",
    Outcome.RUNNING: "cyan",
    Outcome.FAILED: "red",
    Outcome.INTERRUPTED: "yellow",
}


def sparkline(values: Sequence[float]) -> str:
    """One bar per value, from the lowest to the highest; all in the middle where they do not differ."""
    if not values:
        return ""
    low, high = min(values), max(values)
    if high <= low:
        return _BARS[3] * len(values)
    top = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low) * top)] for value in values)


def history_table(runs: Sequence[Run], now: float) -> RenderableType:
    """The runs in the order given, one row each; `now` is seconds since 1970. Below stands why runs failed, and what
    became of requests meanwhile."""
    if not runs:
        return Text(NO_RUNS)
    table = plain_table(">run", "when", "what", ">workers", "start", "outcome", ">ready", ">response", ">total")
    for run in runs:
        table.add_row(
            str(run.id),
            ago(run.began_wall, now),
            run.what,
            str(run.workers),
            _warmth(run.warm),
            Text(str(run.outcome), style=_STYLES[run.outcome]),
            seconds(run.ready_after_s),
            seconds(run.first_response_s),
            seconds(run.duration_s),
        )
    below = [Text(harmless(f"run {run.id}: {run.error}")) for run in runs if run.error]
    below += [Text(f"run {run.id}: {receipt_text(run.receipt)}") for run in runs if run.receipt]
    return Group(table, Text(), *below) if below else table


def stats_report(runs: Sequence[Run]) -> RenderableType:
    """Medians and spread of every group as a table, then each group's trend, other measures and warnings."""
    summaries = summarise(runs)
    if not summaries:
        return Text(NO_RUNS)
    table = plain_table("what", ">workers", "start", ">runs", ">median", ">min", ">max", ">MAD")
    for group in summaries:
        values = (group.median_s, group.min_s, group.max_s, group.mad_s)
        cells = (group.what, str(group.workers), _warmth(group.warm), str(group.count))
        table.add_row(*cells, *map(seconds, values))
    others = {measure: _by_group(summarise(runs, measure)) for measure in MEASURES[1:]}
    details: list[Text] = []
    for group in summaries:
        medians = [by_group[_key(group)].median_s for by_group in others.values()]
        details += [Text(), *_details(group, *medians)]
    note = Text("Durations of the runs that ended ok. MAD: median absolute deviation from the median.", style="dim")
    return Group(table, *details, Text(), note)


def _details(group: Summary, ready_s: float | None, response_s: float | None) -> list[Text]:
    recent = [sample.value_s for sample in group.samples[-TREND_WINDOW:]]
    lines = [Text(_title(group.what, group.workers, group.warm), style="bold")]
    if recent:
        lines.append(Text(f"  {sparkline(recent)}  {_trend(group, len(recent))}"))
    until = [("ready", ready_s), ("first response", response_s)]
    known = [f"{name} after {seconds(value)}" for name, value in until if value is not None]
    if known:
        lines.append(Text(f"  {', '.join(known)} (medians)"))
    counts = ((group.failed, "failed"), (group.interrupted, "interrupted"))
    left_out = ", ".join(f"{count} {word}" for count, word in counts if count)
    if left_out:
        lines.append(Text(f"  left out: {left_out}"))
    for advice in group.advice:
        text = Text("  ")
        text.append("Warning: ", style="yellow").append(str(advice))
        lines.append(text)
    return lines


def _trend(group: Summary, count: int) -> str:
    if group.trend is Trend.UNKNOWN or group.slope_s_per_run is None:
        return f"{Trend.UNKNOWN} for a trend"
    sign = "+" if group.slope_s_per_run >= 0 else ""
    return f"{group.trend} ({sign}{seconds(group.slope_s_per_run)} per run over the last {count})"


def chain_report(run: Run, events: Sequence[Event]) -> RenderableType:
    """The critical chain of a run as a tree, from what the run ended with back to what began it.

    Below it stands what had not become ready when the events end.
    """
    title = Text(f"run {run.id}: {_title(run.what, run.workers, run.warm)}: ", style="bold")
    title.append(str(run.outcome), style=_STYLES[run.outcome])
    if run.duration_s is not None:
        title.append(f" {'in' if run.outcome is Outcome.OK else 'after'} {seconds(run.duration_s)}")
    links = critical_chain(events)
    parts: list[RenderableType] = [title]
    if run.error:
        parts.append(Text(harmless(run.error)))
    if run.receipt:
        parts.append(Text(receipt_text(run.receipt)))
    if links:
        parts += [Text("@ is when a service could start, + is how long it then took.", style="dim"), _tree(links)]
    else:
        parts.append(Text("No service became ready or failed in this run, so there is no chain."))
    parts += [Text(line) for line in _unfinished(phases(events))]
    return Group(*parts)


def _tree(links: Sequence[Link]) -> Tree:
    tree = Tree(_link_line(links[0]))
    branch = tree
    for link in links[1:]:
        branch = branch.add(_link_line(link))
    return tree


def _link_line(link: Link) -> Text:
    text = Text(link.label, style="bold")
    if link.reached in (Reached.FAILED, Reached.STOPPED):
        text.append(f" {link.reached}", style="red" if link.reached is Reached.FAILED else "not bold")
    text.append(f" @{seconds(link.released_s)} +{seconds(link.took_s)}", style="not bold")
    if link.phase and link.reached is not Reached.STOPPED:
        checks = f", {plural(link.attempts, 'check')}" if link.attempts else ""
        text.append(f" (mostly {link.phase}: {seconds(link.phase_s)}{checks})", style="not bold dim")
    return text


def _unfinished(found: Sequence[Phase]) -> list[str]:
    """What each service was doing last that neither became ready nor failed."""
    # What a failed run takes down again ends with its stop, and that is not what it was cut off from.
    starting = [phase for phase in found if phase.kind is not PhaseKind.STOPPING or phase.ended is Ended.OPEN]
    last = {phase.service: phase for phase in starting}
    cut_off = [phase for phase in last.values() if phase.ended is Ended.OPEN]
    return [
        f"{phase.service} was cut off after {seconds(phase.duration_s)} of {phase.label}"
        + (f": {phase.reason}" if phase.reason else "")
        for phase in cut_off
    ]


def history_json(runs: Sequence[Run]) -> dict[str, Any]:
    """`{"runs": [...]}`, in the order given."""
    return {"runs": [run.to_json() for run in runs]}


def stats_json(runs: Sequence[Run]) -> dict[str, Any]:
    """`{"summaries": [...]}`: one per group and measure that has samples or left-out runs, with its raw samples."""
    found = [group for measure in MEASURES for group in summarise(runs, measure)]
    return {"summaries": [group.to_json() for group in found if group.count or group.measure == MEASURES[0]]}


def chain_json(run: Run, events: Sequence[Event]) -> dict[str, Any]:
    """`{"run", "chain", "phases", "events"}`: the chain from its last link back, and what it was made from."""
    return {
        "run": run.to_json(),
        "chain": [link.to_json() for link in critical_chain(events)],
        "phases": [phase.to_json() for phase in phases(events)],
        "events": [event.to_json() for event in events],
    }


def plain_table(*columns: str) -> Table:
    """A table without frame; the names of columns of numbers begin with `>`."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        # In a terminal that is too narrow cells fold; what is cut off would be lost.
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
    return table


def _warmth(warm: bool) -> str:
    return "warm" if warm else "cold"


def _title(what: str, workers: int, warm: bool) -> str:
    return f"{what}, {plural(workers, 'worker')}, {_warmth(warm)}"


def _key(group: Summary) -> tuple[str, int, bool]:
    return group.what, group.workers, group.warm


def _by_group(groups: Sequence[Summary]) -> dict[tuple[str, int, bool], Summary]:
    return {_key(group): group for group in groups}

"""Is the last start slower than those before it, and which phase has grown?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, note, ok, warning
from daybreak.show.text import plural, seconds
from daybreak.timeline.chain import critical_chain
from daybreak.timeline.event import Event, RunKind
from daybreak.timeline.phases import PhaseKind, phases
from daybreak.timeline.reader import Reader
from daybreak.timeline.run import Run
from daybreak.timeline.stats import FEW, OUTLIER_MADS, SCALE, Summary, Trend, mad, summarise

KINDS = (RunKind.STARTUP, RunKind.RESTART)
LOOKED_AT = 200
# Of how many earlier runs the phases are read.
COMPARED = 10
# On a machine that does other things as well, a fifth more is no news.
LEAST_SHARE = 0.2


def look(case: Case) -> Iterator[Finding]:
    """The newest run of each kind against the earlier ones with as many workers and the same kind of start."""
    with Reader(case.paths.timeline) as store:
        runs = store.runs(limit=LOOKED_AT)
        groups = [group for group in summarise(runs) if group.kind in KINDS and _is_newest(group, runs)]
        findings = [finding for group in groups for finding in _slower(group, store, case)]
    measured = sum(group.count for group in groups)
    yield from findings or [ok(f"no slower than before ({plural(measured, 'run')})" if measured else "no start yet")]


def _is_newest(group: Summary, runs: Sequence[Run]) -> bool:
    """Does the group hold the newest good run of its kind? Others are of another time."""
    last = {sample.run for sample in group.samples[-1:]}
    newest = next((run.id for run in runs if run.kind is group.kind and run.duration_s and run.outcome == "ok"), None)
    return newest in last


def _slower(group: Summary, store: Reader, case: Case) -> Iterator[Finding]:
    *earlier, last = group.samples
    values = [sample.value_s for sample in earlier]
    if len(values) < FEW - 1:
        return
    usual_s = median(values)
    limit_s = usual_s + max(OUTLIER_MADS * SCALE * mad(values), LEAST_SHARE * usual_s)
    what = f"{group.what} with {plural(group.workers, 'worker')} ({'warm' if group.warm else 'cold'})"
    if last.value_s > limit_s:
        grown = grown_phase(store.events(last.run), [store.events(sample.run) for sample in earlier[-COMPARED:]])
        yield warning(
            f"the last {what} took {seconds(last.value_s)}, {seconds(usual_s)} is usual{grown}",
            "something has changed: the application, the machine, a version, or what else ran meanwhile",
            case.command("perf stats"),
        )
    elif group.trend is Trend.SLOWER and group.slope_s_per_run:
        yield note(
            f"each {what} takes {seconds(group.slope_s_per_run)} longer than the one before",
            "such a trend over many runs is no chance",
            case.command("perf stats"),
        )


def grown_phase(last: Sequence[Event], earlier: Sequence[Sequence[Event]]) -> str:
    """The phase on the run's critical chain that grew most against its median, in words; empty where none did."""
    chain = {link.service for link in critical_chain(last)}
    usual = [_durations(events) for events in earlier]
    growths = []
    for key, took_s in _durations(last).items():
        known = [durations[key] for durations in usual if key in durations]
        if key[0] in chain and known:
            growths.append((took_s - median(known), took_s, median(known), key))
    growth_s, took_s, usual_s, (service, label) = max(growths, default=(0.0, 0.0, 0.0, ("", "")))
    if growth_s <= 0:
        return ""
    return f"; {service}, {label}, has grown from {seconds(usual_s)} to {seconds(took_s)}"


def _durations(events: Sequence[Event]) -> dict[tuple[str, str], float]:
    """Seconds of each phase of work by service and label; waiting for others is theirs."""
    found: dict[tuple[str, str], float] = {}
    for phase in phases(events):
        if phase.kind not in (PhaseKind.WAITING, PhaseKind.BACKING_OFF):
            key = (phase.service, phase.label)
            found[key] = found.get(key, 0.0) + phase.duration_s
    return found

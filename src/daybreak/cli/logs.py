"""logs: every service's own output and Ray's files behind it, merged by time."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from daybreak import api
from daybreak.cli.output import styled
from daybreak.errors import UsageError
from daybreak.logs.entry import Entry
from daybreak.logs.follow import Follower
from daybreak.logs.history import LOOK_BACK_BYTES, History
from daybreak.logs.merged import merged
from daybreak.logs.selection import Once, Parting, Selection, misleads
from daybreak.logs.sources import WORKERS, Sources
from daybreak.logs.stamps import Level, level_named, local_iso, parse_moment
from daybreak.paths import ClusterPaths
from daybreak.redact import Redaction
from daybreak.spec import parse_seconds

if TYPE_CHECKING:
    from rich.text import Text

DEFAULT_LINES = 200
FOLLOW_NAP_S = 0.1
# Looking for new files takes longer than looking at the known ones.
FIND_INTERVAL_S = 0.5
WIDEST_LABEL = 32
PALETTE = ("cyan", "magenta", "green", "blue", "bright_cyan", "bright_magenta", "bright_green", "bright_blue")

Show = Callable[[Entry], None]


def logs(
    name: str | None,
    services: tuple[str, ...],
    follow: bool,
    since: str | None,
    lines: int | None,
    grep: str | None,
    level: str | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Print what the logs hold by time, then go on where asked."""
    paths = ClusterPaths.of(api.resolve_name(name))
    selection = _selection(since, lines, grep, level)
    sources = Sources(paths, services, everything=everything)
    _check(paths, services, sources.known())
    found = sources.find(earlier=selection.since is not None)
    histories = [History(source, selection) for source in found]
    width = min(WIDEST_LABEL, max((len(source.label) for source in found), default=0))
    show = _redacted(_printer(as_json, width, selection), Redaction(paths.secrets))
    once = Once()
    parting = Parting(lambda service, at: not everything and _was_asked_to_stop(paths, service, at))

    def is_news(entry: Entry) -> bool:
        return parting.is_news(entry) and (everything or not misleads(entry))

    for entry in filter(is_news, merged(histories, selection.lines, once)):
        show(entry)
    if not found and not follow:
        print(f"cluster {paths.name} has no logs yet", file=sys.stderr)
        from daybreak.cli.clusters import tell_others

        tell_others(paths.name)
    _tell_limits(histories)
    if follow:
        follower = Follower()
        for source, history in zip(found, histories, strict=True):
            follower.add(source, time.time(), history.end)
        forever = _forever(selection)
        _follow(
            follower,
            sources,
            lambda entry: forever.takes(entry) and once.is_new(entry) and is_news(entry),
            show,
        )


def _was_asked_to_stop(paths: ClusterPaths, service: str, at: float) -> bool:
    """Seldom asked, so the timeline is imported only then."""
    from daybreak.timeline.stops import was_asked_to_stop

    return was_asked_to_stop(paths.timeline, service, at)


def _selection(since: str | None, lines: int | None, grep: str | None, level: str | None) -> Selection:
    """What the options ask for. With --since everything since then is wanted, unless --lines says otherwise."""
    try:
        pattern = re.compile(grep) if grep is not None else None
    except re.error as error:
        hint = "it is a Python regular expression: put \\ before . * + ? [ ( where they are meant as they are"
        raise UsageError(f"--grep: {error}: {grep}", hint=hint) from error
    if lines is None and since is None:
        lines = DEFAULT_LINES
    return Selection(lines, _moment(since), level_named(level) if level else None, pattern)


def _moment(text: str | None) -> float | None:
    """Seconds since 1970 of a duration before now, or of a time."""
    if text is None:
        return None
    now = time.time()
    try:
        return now - parse_seconds(text)
    except ValueError:
        pass
    try:
        return parse_moment(text, now)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--since: neither a duration nor a time: {text}",
            hint="such as 10m, 1h30m, 10:08, '2026-11-25 10:08' or 2026-11-25T10:08:00Z",
        ) from error


def _forever(selection: Selection) -> Selection:
    return Selection(level=selection.level, pattern=selection.pattern)


def _check(paths: ClusterPaths, services: Iterable[str], known: list[str]) -> None:
    """Unknown names are an error."""
    workers = any(service.startswith("worker-") for service in known)
    unknown = [service for service in services if service not in known and not (service == WORKERS and workers)]
    if unknown:
        raise UsageError(
            f"no log of {', '.join(unknown)} in cluster {paths.name}",
            hint=f"there are logs of: {', '.join(known) or 'nothing yet'}",
        )


def _tell_limits(histories: list[History]) -> None:
    """What was not searched."""
    cut = sum(history.cut_short for history in histories)
    if cut:
        size = LOOK_BACK_BYTES // 1024**2
        files = "one file" if cut == 1 else f"{cut} files"
        print(f"note: of {files} only the last {size} MiB were searched; --since goes back further", file=sys.stderr)


def _follow(follower: Follower, sources: Sources, takes: Callable[[Entry], bool], show: Show) -> None:
    """Until Ctrl-C: what is written, and what new files hold."""
    looked = time.monotonic()
    while True:
        now = time.time()
        if time.monotonic() - looked >= FIND_INTERVAL_S:
            for source in sources.find():
                follower.add(source, now)
            looked = time.monotonic()
        for entry in follower.poll(now):
            if takes(entry):
                show(entry)
        sys.stdout.flush()
        time.sleep(FOLLOW_NAP_S)


def _redacted(show: Show, redact: Redaction) -> Show:
    """Applications and Ray log what they are given, passwords among it."""
    return lambda entry: show(Entry(entry.at, entry.level, entry.source, [redact(line) for line in entry.lines]))


def _printer(as_json: bool, width: int, selection: Selection) -> Show:
    if as_json:
        return _show_json
    if styled(sys.stdout):
        return _coloured(width, selection)

    def show(entry: Entry) -> None:
        label = f"{entry.source.label:<{width}} | "
        print("\n".join(label + line for line in entry.lines))

    return show


def _show_json(entry: Entry) -> None:
    """One line for each entry; its text may have several."""
    fields = {
        "time": local_iso(entry.at),
        "service": entry.source.service,
        "source": entry.source.label,
        "level": entry.level.name if entry.level else None,
        "text": entry.text,
        "file": str(entry.source.path),
    }
    print(json.dumps(fields, ensure_ascii=False))


def _coloured(width: int, selection: Selection) -> Show:
    """A colour for each service, in the order in which they come; red and yellow lines are errors and warnings."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    colours: dict[str, str] = {}

    def line(entry: Entry, text: str) -> Text:
        colour = colours.setdefault(entry.source.service, PALETTE[len(colours) % len(PALETTE)])
        shown = Text.assemble((f"{entry.source.label:<{width}} | ", colour))
        body = Text(text, style=_style(entry.level))
        if selection.pattern:
            body.highlight_regex(selection.pattern, "bold reverse")
        return shown.append_text(body)

    def show(entry: Entry) -> None:
        for text in entry.lines:
            console.print(line(entry, text))

    return show


def _style(level: Level | None) -> str:
    if level is None:
        return ""
    return "red" if level >= Level.ERROR else {Level.WARNING: "yellow", Level.DEBUG: "dim"}.get(level, "")

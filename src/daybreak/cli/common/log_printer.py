"""How entries of logs are printed: with colours on a terminal, as plain lines, or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from daybreak.cli.common.output import styled
from daybreak.redact import Redaction
from daybreak.show.logs.entry import Entry, Source
from daybreak.show.logs.selection import Selection
from daybreak.show.logs.stamps import Level, local_iso

if TYPE_CHECKING:
    from rich.text import Text

WIDEST_LABEL = 32
PALETTE = ("cyan", "magenta", "green", "blue", "bright_cyan", "bright_magenta", "bright_green", "bright_blue")

Show = Callable[[Entry], None]


def printer(
    sources: Sequence[Source], selection: Selection, redact: Redaction, *, as_json: bool, least: int = 0
) -> Show:
    """What prints an entry, without the secrets: applications and Ray log what they are given, passwords among it.
    Labels are at `least` so wide."""
    width = min(WIDEST_LABEL, max((least, *(len(source.label) for source in sources))))
    show = _show_json if as_json else _coloured(width, selection) if styled(sys.stdout) else _plain(width)
    return lambda entry: show(Entry(entry.at, entry.level, entry.source, [redact(line) for line in entry.lines]))


def _plain(width: int) -> Show:
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

"""What became of the services of a Compose project, for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from daybreak.extras.init_from.bring import Brought
from daybreak.show.text import harmless

WIDTH = 110


def told(brought: Brought) -> Iterator[str]:
    """One line for each service, below it what is not as it was."""
    wide = max(len(fate.service) for fate in brought.fates)
    for fate in brought.fates:
        line = f"{fate.service.ljust(wide)}  {fate.became or f'left out: {fate.reason}'}"
        yield from _folded(line, "", " " * (wide + 4))
        for note in fate.notes:
            yield from _folded(note, " " * (wide + 4))
    for note in brought.notes:
        yield from _folded(f"note: {note}", "")


def _folded(text: str, indent: str, then: str | None = None) -> list[str]:
    """Lines of the width; blanks between columns stay."""
    rest = f"{indent}  " if then is None else then
    return textwrap.wrap(harmless(text), WIDTH, initial_indent=indent, subsequent_indent=rest, break_on_hyphens=False)

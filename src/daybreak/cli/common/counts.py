"""Numbers of workers as people write them: `3`, or `gpu=1 cpu=4`."""

from __future__ import annotations

import click

from daybreak.names import MOST_WORKERS
from daybreak.spec.groups import Counts
from daybreak.spec.names import is_name

METAVAR = "[WORKERS | GROUP=N ...]"


def parse(context: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> Counts | None:
    """One number, or one for each group that is named; None where nothing is said. Raises BadParameter."""
    found: dict[str, int] = {}
    for word in words:
        group, equals, number = word.partition("=")
        if not equals and len(words) == 1:
            return _number(word, parameter, context)
        if not equals or not is_name(group):
            raise click.BadParameter(f"{word!r} is neither a number nor GROUP=N, such as gpu=2")
        if group in found:
            raise click.BadParameter(f"group {group} is given twice")
        found[group] = _number(number, parameter, context)
    return found or None


def words_of(counts: Counts | None) -> list[str]:
    """The same, written again."""
    if counts is None:
        return []
    return [str(counts)] if isinstance(counts, int) else [f"{group}={count}" for group, count in counts.items()]


def _number(word: str, parameter: click.Parameter, context: click.Context) -> int:
    try:
        return click.IntRange(0, MOST_WORKERS).convert(int(word), parameter, context)
    except ValueError:
        raise click.BadParameter(f"{word!r} is no number of workers") from None

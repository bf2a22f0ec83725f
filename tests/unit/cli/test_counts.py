"""Numbers of workers on the command line."""

from __future__ import annotations

import click
import pytest

from daybreak.cli.common.counts import parse, words_of
from daybreak.spec.groups import Counts

ARGUMENT = click.Argument(["workers"], nargs=-1)


def parsed(*words: str) -> Counts | None:
    return parse(click.Context(click.Command("up")), ARGUMENT, words)


@pytest.mark.parametrize(("words", "counts"), [([], None), (["3"], 3), (["gpu=0", "cpu=4"], {"gpu": 0, "cpu": 4})])
def test_a_number_or_one_for_each_group(words: list[str], counts: Counts | None) -> None:
    assert parsed(*words) == counts
    assert words_of(counts) == words


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["many"], "'many' is no number of workers"),
        (["257"], "257 is not in the range"),
        (["1", "2"], "'1' is neither a number nor GROUP=N"),
        (["gpu="], "'' is no number of workers"),
        (["=3"], "'=3' is neither"),
        (["gpu=1", "gpu=2"], "group gpu is given twice"),
    ],
)
def test_what_is_none(words: list[str], why: str) -> None:
    with pytest.raises(click.BadParameter, match=why):
        parsed(*words)

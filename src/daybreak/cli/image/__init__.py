"""daybreak image: its commands, and what they share."""

from __future__ import annotations

import click

from daybreak.cli.common.lazy import LazyGroup

COMMANDS = {
    "build": "Build an image of Ray and the application in the spec's folder.",
    "size": "Show what each layer and the largest packages of IMAGE weigh; of the application's image if absent.",
}
MEGABYTE = 1_000_000


@click.group(cls=LazyGroup, package=__name__, lines=COMMANDS)
def image() -> None:
    """Build an image of Ray and your application; show what it weighs."""


def default_tag(cluster: str) -> str:
    """What an application's image is called."""
    return f"daybreak/{cluster}:latest"


def megabytes(count: int) -> str:
    """As `docker image ls` has them: millions of bytes."""
    return f"{count / MEGABYTE:,.1f} MB"

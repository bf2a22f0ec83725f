"""`daybreak dev [OPTIONS] [WORKERS] [-- COMMAND...]`: what comes after two hyphens is somebody else's command line."""

from __future__ import annotations

from collections.abc import Sequence

import click

KEY = "daybreak.dev.command"


class WithCommand(click.Command):
    """Keeps what comes after the first `--` apart: see `command_of`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        if at == len(args) - 1:
            ctx.fail("a command comes after `--`, such as `-- python script.py`")
        ctx.meta[KEY] = tuple(args[at + 1 :])
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


def command_of() -> Sequence[str]:
    """What was given to the command that runs; nothing where none was."""
    found: Sequence[str] = click.get_current_context().meta[KEY]
    return found

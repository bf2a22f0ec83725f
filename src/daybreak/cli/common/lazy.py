"""A group of commands each of which is a module of its own, imported when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from daybreak.cli.common import interrupt


class LazyGroup(click.Group):
    """Help and completion know a command by its name and one line; only what is called, or completed, is imported.

    `lines` are the commands' first lines of help by name; the command NAME is the attribute NAME of the module NAME in
    `package`, with `_` for `-`.
    """

    def __init__(self, *, package: str, lines: Mapping[str, str], **rest: Any) -> None:
        listed: dict[str, click.Command] = {name: click.Command(name, help=line) for name, line in lines.items()}
        super().__init__(commands=listed, **rest)
        self._package = package

    def load(self, name: str) -> click.Command:
        """The command itself."""
        word = name.replace("-", "_")
        with interrupt.nothing_started():
            module = importlib.import_module(f"{self._package}.{word}")
        command = getattr(module, word)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name and listed else None, rest

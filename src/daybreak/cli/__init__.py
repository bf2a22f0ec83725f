"""The command line: arguments in, exit codes out. The only room that prints or exits."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `daybreak` command."""
    from daybreak.cli.app import run

    sys.exit(run())

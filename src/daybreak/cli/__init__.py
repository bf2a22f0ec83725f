"""The command line: arguments in, exit codes out. The only room that prints or exits."""

from __future__ import annotations

import sys

from daybreak.cli.common import interrupt


def main() -> None:
    """Entry point of the `daybreak` command."""
    interrupt.leave_at_once()
    from daybreak.cli.app import run

    interrupt.raise_interrupt()
    code = run()
    interrupt.ignore()
    sys.exit(code)

"""What a command shows on a terminal, as a picture: its colours are read as a terminal reads them."""

from __future__ import annotations

import contextlib
import html
import os
import pty
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pictures.scene import COMMAND, keep_few_colours

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COLUMNS = 118
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #16181d; }}
pre {{ display: inline-block; margin: 0; padding: 18px 22px; color: #dcdad5; white-space: pre-wrap; width: {columns}ch;
  font: 14px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }}
.prompt {{ color: #8f97a1; }}
</style><pre>{text}</pre>"""


def on_terminal(*words: str, cwd: Path, env: Mapping[str, str]) -> str:
    """Run a command with a terminal for its output; returns that, with its colours."""
    ours, theirs = pty.openpty()
    started = subprocess.Popen(
        [COMMAND, *words],
        cwd=cwd,
        env=os.environ | env | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS)},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    read = b""
    # A terminal that nobody writes to any more is an error to read.
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 65536):
            read += chunk
    os.close(ours)
    started.wait()
    return read.decode().replace("\r\n", "\n")


def photograph(chromium: Browser, commands: Mapping[str, str], file: Path) -> None:
    """A picture of commands and what they print."""
    shown = "\n".join(
        f'<span class="prompt">$</span> {html.escape(line)}\n{_marked_up(text)}' for line, text in commands.items()
    )
    page = chromium.new_page(viewport={"width": 1200, "height": 200})
    page.set_content(PAGE.format(columns=COLUMNS, text=shown))
    page.locator("pre").screenshot(path=file)
    page.close()
    keep_few_colours(file)


def _marked_up(text: str) -> str:
    from rich.console import Console
    from rich.terminal_theme import MONOKAI
    from rich.text import Text

    console = Console(record=True, width=10_000, file=open(os.devnull, "w"), force_terminal=True)
    console.print(Text.from_ansi(text), soft_wrap=True)
    return console.export_html(theme=MONOKAI, inline_styles=True, code_format="{code}")

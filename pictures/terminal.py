"""What a command prints on a terminal, as a picture: run in a real one, drawn by the browser."""

from __future__ import annotations

import html
import itertools
import os
import pty
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from rich.color import ColorType
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from pictures.scene import COMMAND, Cluster, keep_few_colours

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COLUMNS = 118
# Calm colours on a dark ground, each of them legible there.
GROUND, INK, QUIET = (22, 27, 34), (201, 209, 217), (139, 148, 158)
COLOURS = [
    (72, 79, 88),
    (255, 123, 114),
    (126, 231, 135),
    (242, 204, 96),
    (121, 192, 255),
    (210, 168, 255),
    (118, 227, 234),
    INK,
]
THEME = TerminalTheme(GROUND, INK, COLOURS, COLOURS)
PAGE = """<!doctype html><style>
body {{ margin: 0; background: rgb{ground}; color: rgb{ink}; }}
pre {{ margin: 0; padding: 14px 18px; display: inline-block; font: 13px/1.45 "DejaVu Sans Mono", monospace; }}
</style><pre>{text}</pre>"""


def terminal(cluster: Cluster, chromium: Browser, file: Path, *words: str, lines: int = 40) -> None:
    """Run a command of daybreak's, whatever its exit code; its last lines become the picture."""
    printed = ["$ daybreak " + " ".join(words), *printed_by(cluster, *words).splitlines()[-lines:]]
    text = "\n".join(map(_html, printed))
    page = chromium.new_page(device_scale_factor=1.25)
    page.set_content(PAGE.format(ground=GROUND, ink=INK, text=text))
    page.locator("pre").screenshot(path=file)
    keep_few_colours(file)


def printed_by(cluster: Cluster, *words: str) -> str:
    """What the command prints on a terminal of `COLUMNS` columns, with its colours."""
    ours, theirs = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    environment |= cluster.env | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": "50"}
    with subprocess.Popen(
        [COMMAND, *words], cwd=cluster.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(ours, 65536):
                text += chunk
        except OSError:  # how the other side of a terminal ends
            pass
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


def _html(line: str) -> str:
    """A line with colours as HTML; what does not fit is cut, as a narrow terminal would fold it."""
    text = Text.from_ansi(line)
    text.truncate(COLUMNS, overflow="ellipsis")
    found = []
    for begin, end, style in _pieces(text):
        piece = html.escape(text.plain[begin:end])
        found.append(f'<span style="{_css(style)}">{piece}</span>')
    return "".join(found)


def _pieces(text: Text) -> list[tuple[int, int, Style]]:
    """The stretches of one style."""
    ends = sorted({0, len(text), *(edge for span in text.spans for edge in (span.start, span.end))})
    found = []
    for begin, end in itertools.pairwise(ends):
        styles = [_style(span.style) for span in text.spans if span.start <= begin < span.end]
        found.append((begin, end, Style.combine([Style.null(), *styles])))
    return found


def _style(style: str | Style) -> Style:
    return style if isinstance(style, Style) else Style.parse(style)


def _css(style: Style) -> str:
    rules = ["font-weight: bold"] if style.bold else []
    if style.dim:
        rules.append(f"color: rgb{QUIET}")
    elif style.color and style.color.type is not ColorType.DEFAULT:
        rules.append(f"color: rgb{tuple(style.color.get_truecolor(THEME))}")
    if style.reverse:
        rules.append(f"background: rgb{INK}; color: rgb{GROUND}")
    return "; ".join(rules)

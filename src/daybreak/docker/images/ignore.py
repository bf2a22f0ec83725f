"""Which files stay out of an image: the rules of `.dockerignore`, as Docker has them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Nothing of this is of use in a container. A project's own file comes after it, so `!.env` takes one back in.
ALWAYS = (
    ".git",
    ".hg",
    ".svn",
    ".daybreak",
    "**/.venv",
    "**/venv",
    "**/__pycache__",
    "**/*.py[co]",
    "**/.mypy_cache",
    "**/.pytest_cache",
    "**/.ruff_cache",
    "**/node_modules",
    "**/.env",
    "**/.DS_Store",
)


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    out: bool


class Ignore:
    """Patterns, of which the last that matches counts; `!` takes back in."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._rules = [rule for line in lines if (rule := _rule(line))]
        self._takes_back = any(not rule.out for rule in self._rules)

    @classmethod
    def of(cls, text: str) -> Ignore:
        """What always stays out, and the lines of a `.dockerignore`."""
        return cls([*ALWAYS, *text.splitlines()])

    def leaves_out(self, path: str) -> bool:
        """Whether a path (relative, with `/`) stays out, itself or for a folder that it is in."""
        out = False
        parts = path.split("/")
        paths = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        for rule in self._rules:
            if any(rule.pattern.fullmatch(one) for one in paths):
                out = rule.out
        return out

    def skips_folder(self, path: str) -> bool:
        """Whether nothing below a folder can be wanted, so that it need not be read."""
        return not self._takes_back and self.leaves_out(path)


def _rule(line: str) -> _Rule | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    out = not text.startswith("!")
    text = text.lstrip("!").strip().strip("/")
    text = "/".join(part for part in text.split("/") if part not in ("", "."))
    return _Rule(re.compile(_translated(text)), out) if text else None


def _translated(text: str) -> str:
    """A pattern of Go's filepath.Match with `**` for any number of folders, as a regular expression."""
    result, at = "", 0
    while at < len(text):
        if text.startswith("**/", at):
            result, at = result + r"(?:.*/)?", at + 3
        elif text.startswith("**", at):
            result, at = result + r".*", at + 2
        elif text[at] in "*?":
            result, at = result + (r"[^/]*" if text[at] == "*" else r"[^/]"), at + 1
        elif text[at] == "[" and (end := text.find("]", at + 2)) > 0:
            inside = text[at + 1 : end].replace("\\", r"\\")
            result, at = result + f"[{inside}]", end + 1
        else:
            at += text[at] == "\\" and at + 1 < len(text)
            result, at = result + re.escape(text[at]), at + 1
    return result

"""The plain progress of BuildKit, read as steps. Pure."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

_LINE = re.compile(r"#(?P<number>\d+) (?P<rest>.*)")
_TITLE = re.compile(r"\[(?P<stage>[\w.-]+)? *(?P<place>\d+/\d+)\] (?P<instruction>.*)")
_DONE = re.compile(r"DONE (?P<took_s>[\d.]+)s")
_OUTPUT = re.compile(r"\d+\.\d+ (?P<text>.*)")
TAIL = 30
LONGEST = 90


@dataclass(frozen=True)
class Step:
    """One instruction of the Dockerfile that has ended."""

    title: str
    cached: bool
    took_s: float = 0.0

    def line(self) -> str:
        """The step for people."""
        title = self.title if len(self.title) <= LONGEST else self.title[: LONGEST - 3] + "..."
        return f"{title}: {'unchanged' if self.cached else f'{self.took_s:.1f} s'}"


class Steps:
    """Takes the lines as they come; `tail` holds the last output of what runs, for the case that it fails."""

    def __init__(self) -> None:
        self.ended: list[Step] = []
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._titles: dict[str, str] = {}

    def feed(self, line: str) -> Step | None:
        """The step that this line ends, if it ends one."""
        found = _LINE.fullmatch(line.strip())
        if not found:
            if line.strip() and not line.startswith(("------", " > ", "Dockerfile:")):
                self.tail.append(line.strip())
            return None
        number, rest = found["number"], found["rest"]
        if title := _TITLE.fullmatch(rest):
            stage = f"{title['stage']} " if title["stage"] else ""
            self._titles[number] = f"{stage}{title['place']} {' '.join(title['instruction'].split())}"
        elif rest == "exporting to image":
            self._titles[number] = "layers"
        elif output := _OUTPUT.fullmatch(rest):
            self.tail.append(output["text"])
        elif rest == "CACHED" or _DONE.fullmatch(rest):
            return self._end(number, rest)
        elif rest.startswith("ERROR"):
            self.tail.append(rest)
        return None

    def _end(self, number: str, rest: str) -> Step | None:
        title = self._titles.pop(number, None)
        if title is None:
            return None
        done = _DONE.fullmatch(rest)
        step = Step(title, cached=done is None, took_s=float(done["took_s"]) if done else 0.0)
        self.ended.append(step)
        return step

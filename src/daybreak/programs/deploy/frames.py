"""What a traceback says to the person whose program failed: the reason, their own frames, and whose the others are.

Pure text: it takes a traceback as Python prints it, or one inside the message of another error, as Ray's are.
"""

import os
import re
from typing import List, NamedTuple, Optional, Sequence

# An explanation with its headline, what still runs and the next command fits a screen.
MOST_LINES = 16
MOST_MESSAGE_LINES = 8
MOST_FRAMES = 6
WIDEST = 300
_HERE = os.path.dirname(os.path.abspath(__file__))
# Its package; an export has this file among others, in one folder.
DAYBREAK = os.path.dirname(os.path.dirname(_HERE)) if _HERE.endswith("/programs/deploy") else _HERE

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
_BEGIN = re.compile(r"^(?P<before>.*?)Traceback \(most recent call last\):\s*$")
_REMOTE = re.compile(r"^ray::\S.*\(.*pid=\d+.*\)\s*$")
_CHAIN = re.compile(r"^(The above exception was the direct cause of|During handling of the above exception)")
_GROUP = re.compile(r"^\s*(\+-\+-+|\+-+)\s*\d*\s*-*$|^(\s*)\| ?")
_CARETS = re.compile(r"^[\s~^]+$")
# name.of.Error: message; what begins with a space is the source of a frame, or a part of a longer message.
_RAISED = re.compile(r"^(?P<type>[A-Za-z_][\w.]*(?:\[[^\]]*\])?)(?:: ?(?P<message>.*))?$")
_COUNTED = re.compile(r"\d+ validation errors? for \S+$")
_TYPE = re.compile(r" \[type=.*\]$| \(type=.*\)$")
_LIBRARY = re.compile(r"/(?:site|dist)-packages/(?P<package>[^/]+)")
_STANDARD = re.compile(r"/lib(?:64)?/(?:python|pypy)\d[\d.]*/")
# A folder that Ray has unpacked for a runtime environment.
_UNPACKED = re.compile(r"^.*/_ray_pkg_[0-9a-f]+/")
PYTHON, OURS = "Python", "daybreak"
# What is between the person and their program: never worth a line, not even where the error was raised there.
MACHINERY = (PYTHON, OURS, "ray")


class Frame(NamedTuple):
    """One line of a traceback. `function` is empty where the file could not be compiled; `source` may be."""

    file: str
    line: int
    function: str
    source: str


class Raised(NamedTuple):
    """One exception of a chain: its frames, outermost first, and its text, of which the first line names its type."""

    frames: List[Frame]
    text: List[str]


class Explanation(NamedTuple):
    """`reason` is one line; `lines` are the user's frames and what the message has beyond its first line."""

    reason: str
    lines: List[str]


def explain(text: str, base: str = "", own: Sequence[str] = ()) -> Optional[Explanation]:
    """What the traceback in `text` says; None where there is none.

    Paths below `base` are shown relative to it. `own` names installed packages that are the user's nevertheless.
    """
    chain = parse(text)
    if not chain:
        return None
    told = chain[_telling(chain, base, own)]
    before = [other for other in chain[: chain.index(told)] if _own_frames(other, base, own)]
    where = _own_frames(told, base, own)
    reason = _headline(told.text)
    if where:
        reason += f" ({shown(where[-1].file, base)}:{where[-1].line})"
    lines = _folded(told.frames, base, own)
    lines += ["  " + line for line in _rest(told)]
    if before and len(lines) < MOST_LINES - 2:
        place = _own_frames(before[-1], base, own)[-1]
        cause = _one_line(before[-1].text[0])
        lines.append(f"after {cause} ({shown(place.file, base)}:{place.line})")
    return Explanation(reason, lines[:MOST_LINES])


def parse(text: str) -> List[Raised]:
    """The exceptions of a traceback, the outermost last; one that another carries in its message stands before it."""
    found: List[Raised] = []
    frames: List[Frame] = []
    said: List[str] = []

    def close() -> None:
        if said and frames:
            found.append(Raised(list(frames), list(said)))
        frames.clear()
        said.clear()

    for line in (_outside_of_a_group(_COLOUR.sub("", raw).rstrip()) for raw in text.splitlines()):
        frame = _FRAME.match(line)
        if _BEGIN.match(line) or _REMOTE.match(line) or _CHAIN.match(line):
            close()
        elif frame:
            if said:
                close()
            frames.append(Frame(frame["file"], int(frame["line"]), frame["function"] or "", ""))
        elif frames and not said and (line.startswith("  ") or not line):
            if line and not frames[-1].source and not _CARETS.match(line):
                frames[-1] = frames[-1]._replace(source=line.strip())
        elif frames and (said or _RAISED.match(line)):
            said.append(line)
    close()
    return found


def owner(file: str, base: str = "", own: Sequence[str] = ()) -> str:
    """Whose a file is: a package's name, `Python`, `daybreak`, or nothing for the user's own."""
    if file.startswith("<"):
        return PYTHON  # <frozen importlib._bootstrap>, <string>
    if "/_ray_pkg_" in file:
        return ""
    if file.startswith(DAYBREAK + "/"):
        return OURS
    # The application's folder may itself lie in a Python's; a virtual environment may lie in the application's folder.
    top = base.rstrip("/") + "/"
    path = file[len(top) - 1 :] if base and file.startswith(top) else file
    installed = list(_LIBRARY.finditer(path))
    if installed:
        package = re.sub(r"(\.py|-[\d.]+.*)$", "", installed[-1]["package"])
        return "" if package in own else package
    return PYTHON if _STANDARD.search(path) else ""


def shown(file: str, base: str = "") -> str:
    """A path as its owner knows it."""
    unpacked = _UNPACKED.sub("", file)
    if unpacked != file:
        return unpacked
    top = base.rstrip("/") + "/"
    if base and file.startswith(top):
        return file[len(top) :]
    installed = _LIBRARY.search(file)
    return file[installed.start("package") :] if installed else file


def _outside_of_a_group(line: str) -> str:
    """Exception groups draw a margin."""
    stripped = line.lstrip()
    if stripped.startswith(("| ", "+ ")):
        return stripped[2:]
    return "" if stripped == "|" or _GROUP.match(stripped) else line


def _telling(chain: Sequence[Raised], base: str, own: Sequence[str]) -> int:
    """Which of the exceptions is the reason: the last that passed through a file of the user's, else the first one.

    Where none did, what came first is the cause (a module is missing), and what follows has only carried it.
    """
    for number in range(len(chain) - 1, -1, -1):
        if _own_frames(chain[number], base, own):
            return number
    return 0


def _own_frames(raised: Raised, base: str, own: Sequence[str]) -> List[Frame]:
    return [frame for frame in raised.frames if not owner(frame.file, base, own)]


def _folded(frames: Sequence[Frame], base: str, own: Sequence[str]) -> List[str]:
    """The user's frames with their source; in between how many were of whom. Where a library raised it, that frame."""
    owners = [owner(frame.file, base, own) for frame in frames]
    last = len(frames) - 1
    kept = [number for number, whose in enumerate(owners) if not whose or (number == last and whose not in MACHINERY)]
    lines: List[str] = []
    folded: List[str] = []
    for number, (whose, frame) in enumerate(zip(owners, frames)):
        if number not in kept[-MOST_FRAMES:]:
            folded.append(whose or "yours")
            continue
        lines += _count(folded)
        folded = []
        function = f", in {frame.function}" if frame.function else ""
        lines.append(f"{shown(frame.file, base)}:{frame.line}{function}")
        if frame.source:
            lines.append("    " + _one_line(frame.source))
    return lines + _count(folded)


def _count(folded: Sequence[str]) -> List[str]:
    if not folded:
        return []
    whose = ", ".join(dict.fromkeys(folded))
    return ["… {} frame{} of {}".format(len(folded), "" if len(folded) == 1 else "s", whose)]


def _headline(text: Sequence[str]) -> str:
    """The first line of an exception; of pydantic's, which counts mistakes there, also the first mistake."""
    first = _one_line(text[0])
    if _COUNTED.search(first) and len(text) > 2:
        mistake = "{}: {}".format(text[1].strip(), _TYPE.sub("", text[2].strip()))
        return "{} {}".format(first if first.endswith(":") else first + ":", mistake)[:WIDEST]
    return first


def _rest(told: Raised) -> List[str]:
    """What a message says after its first line, such as pydantic's: as much as is likely to be read."""
    rest = [line[:WIDEST] for line in told.text[1:]]
    while rest and not rest[-1].strip():
        rest.pop()
    return rest if len(rest) <= MOST_MESSAGE_LINES else [*rest[: MOST_MESSAGE_LINES - 1], "…"]


def _one_line(text: str) -> str:
    """The first line of an exception without its module: `ValidationError: 1 validation error for Args`."""
    found = _RAISED.match(text)
    if found and "." in found["type"] and not found["type"].startswith("."):
        text = text[text.index(found["type"]) :].replace(found["type"], found["type"].rpartition(".")[2], 1)
    return text.strip()[:WIDEST]

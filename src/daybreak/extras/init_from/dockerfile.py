"""What an image that is built here runs: the lines of a Dockerfile that say so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daybreak.extras.init_from.words import Words, split

_LINE = re.compile(r"^\s*(?P<word>[A-Za-z]+)\s+(?P<rest>.*)$", re.DOTALL)
_FROM = re.compile(r"(?:--\S+\s+)*(?P<image>\S+)(?:\s+[Aa][Ss]\s+(?P<stage>\S+))?")


@dataclass(frozen=True)
class Build:
    """`context` is the folder, as the Compose file writes it; empty where nothing is built. `base` is the image that it
    begins from, `found` whether its Dockerfile could be read."""

    context: str = ""
    base: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_dir: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    exposed: tuple[int, ...] = ()
    found: bool = False


NO_BUILD = Build()


def build_of(build: Any, folder: Path, words: Words) -> Build:
    """What `build:` means; NO_BUILD without one."""
    if not build:
        return NO_BUILD
    about = {"context": build} if isinstance(build, str) else dict(build)
    context = words.value(str(about.get("context") or "."))
    try:
        text = (
            str(about["dockerfile_inline"])
            if "dockerfile_inline" in about
            else (folder / context / words.value(str(about.get("dockerfile") or "Dockerfile"))).read_text()
        )
    except (OSError, UnicodeDecodeError):
        return Build(context)
    return _of_lines(context, text, about.get("target"))


def _of_lines(context: str, text: str, target: Any) -> Build:
    """The last stage's, or the named one's; a stage has what the stage has that it begins from."""
    stages: dict[str, Build] = {}
    stage, now = "", Build(context, found=True)
    for word, rest in _lines(text):
        if word == "FROM":
            stages[stage] = now
            if target and stage == str(target).lower():
                return now
            found = _FROM.match(rest)
            image = found["image"] if found else ""
            stage = ((found and found["stage"]) or f"stage {len(stages)}").lower()
            now = stages.get(image.lower(), Build(context, image, found=True))
        else:
            now = _with(now, word, rest)
    return now


def _with(build: Build, word: str, rest: str) -> Build:
    given = {name: getattr(build, name) for name in build.__dataclass_fields__}
    if word == "CMD":
        given["command"] = _command(rest)
    elif word == "ENTRYPOINT":
        given |= {"entrypoint": _command(rest), "command": ()}
    elif word == "WORKDIR":
        given["working_dir"] = str(Path(build.working_dir or "/", rest.strip().strip('"')))
    elif word == "EXPOSE":
        ports = (port.partition("/")[0] for port in rest.split())
        given["exposed"] = (*build.exposed, *(int(port) for port in ports if port.isdecimal()))
    elif word == "ENV":
        given["environment"] = {**build.environment, **_variables(rest)}
    return Build(**given)


def _lines(text: str) -> Iterator[tuple[str, str]]:
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\s*\n", " ", plain).splitlines():
        found = _LINE.match(line)
        if found:
            yield found["word"].upper(), found["rest"].strip()


def _command(rest: str) -> tuple[str, ...]:
    """A JSON list is words; anything else is for a shell."""
    try:
        words = json.loads(rest)
    except ValueError:
        words = None
    if isinstance(words, list):
        return tuple(str(word) for word in words)
    return ("sh", "-c", rest)


def _variables(rest: str) -> dict[str, str]:
    """`NAME=value OTHER=value`, or `NAME value`; what names further variables is left to the image."""
    words = split(rest)
    if words and "=" not in words[0]:
        pairs = [(words[0], " ".join(words[1:]))]
    else:
        pairs = [(name, value) for name, _, value in (word.partition("=") for word in words)]
    return {name: value for name, value in pairs if "$" not in value and name not in ("PATH", "PYTHONPATH")}

"""The draft as the text of a daybreak.yaml, with its comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from daybreak.extras.init_from.draft import Draft

WIDTH = 110
INDENT = "  "
SECTIONS = {
    "head": "The node that schedules, and runs small tasks itself.",
    "workers": "The worker nodes. `daybreak scale` changes their number.",
    "serve": "Ray Serve's applications; they start with the cluster.",
    "databases": "Started beside Ray. Programs find them by DATABASE_URL, REDIS_URL and the like.",
    "secrets": "Read when something starts, and never stored. Who is handed one says so below.",
    "services": "Your own programs, as processes beside Ray.",
    "ports": "Ports that people use.",
}


def text_of(draft: Draft, source: str) -> str:
    """The whole file; `source` is what it was made of."""
    head = [
        "# yaml-language-server: $schema=.daybreak/daybreak.schema.json",
        "#",
        f"# Made by `daybreak init --from {source}`, which prints what became of each service.",
        "",
    ]
    return "\n".join([*head, *_lines(draft, draft.spec, ())]) + "\n"


def _lines(draft: Draft, values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    indent = INDENT * len(path)
    for number, (key, value) in enumerate(values.items()):
        here = (*path, str(key))
        if not path and number:
            yield ""
        about = [SECTIONS[key]] if not path and key in SECTIONS else []
        for text in [*about, *draft.comments.get(here, [])]:
            yield from (f"{indent}# {line}" for line in textwrap.wrap(text, WIDTH))
        if isinstance(value, Mapping) and value:
            yield f"{indent}{_scalar(key)}:"
            yield from _lines(draft, value, here)
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            yield f"{indent}{_scalar(key)}:"
            for one in value:
                dumped = yaml.safe_dump(one, sort_keys=False, width=10**6, allow_unicode=True).splitlines()
                yield from (
                    f"{indent}{INDENT}{'- ' if at == 0 else '  '}{line}"
                    for at, line in enumerate(dumped)
                    if line != "..."
                )
        elif isinstance(value, Mapping):
            yield f"{indent}{_scalar(key)}: {{}}"
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    """On one line, as YAML reads it back."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").replace("\n", " ")

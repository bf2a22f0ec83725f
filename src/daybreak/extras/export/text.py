"""A compose file as text, with comments. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from daybreak.extras.export.parts import Part

WIDTH = 120


class _Dumper(yaml.SafeDumper):
    """Spells everything out: anchors would tie together what the user may want to change apart."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def dumped(content: Mapping[str, Any]) -> str:
    """YAML in the order given."""
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True)
    return text


def document(header: str, name: str, parts: Sequence[Part], rest: Mapping[str, Any]) -> str:
    """The whole file: the header, the services with their comments, and what they share."""
    services = "\n".join(
        _commented(part.comment) + textwrap.indent(dumped({part.name: part.body}), "  ") for part in parts
    )
    shared = "\n".join(dumped({key: value}) for key, value in rest.items() if value)
    return f"{comment(header)}\n{dumped({'name': name})}\nservices:\n{services}\n{shared}"


def comment(text: str) -> str:
    """Lines behind `#`; wrapped where they are longer than a line."""
    lines = (line for paragraph in text.splitlines() for line in textwrap.wrap(paragraph, WIDTH - 2) or [""])
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _commented(text: str) -> str:
    return textwrap.indent(comment(text), "  ")

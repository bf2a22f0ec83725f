"""The package's files, and what is written in each: read and parsed once."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import daybreak

ROOT = Path(daybreak.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text())))

"""What is no Python: found by compiling alone, before anything is started with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mistake:
    """A syntax error: where, what, and the line as it is written with a mark below the place."""

    file: Path
    line: int
    column: int
    message: str
    text: str

    def lines(self, folder: Path) -> list[str]:
        """`app.py:3:7: '(' was never closed`, and below it the line itself. Editors and terminals open such a place."""
        name = self.file.relative_to(folder) if self.file.is_relative_to(folder) else self.file
        found = [f"{name}:{self.line}:{self.column}: {self.message}"]
        written = self.text.rstrip()
        if written:
            indent = len(written) - len(written.lstrip())
            found += [f"    {written.lstrip()}", f"    {' ' * max(0, self.column - 1 - indent)}^"]
        return found


def mistakes(files: Iterable[Path]) -> list[Mistake]:
    """Those of all files that this interpreter cannot compile; what is gone has none."""
    return [found for file in files if file.suffix == ".py" and (found := _mistake(file))]


def _mistake(file: Path) -> Mistake | None:
    try:
        compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    except SyntaxError as error:
        return Mistake(file, error.lineno or 1, error.offset or 1, error.msg, error.text or "")
    except ValueError as error:
        return Mistake(file, 1, 1, str(error), "")
    except OSError:
        pass
    return None

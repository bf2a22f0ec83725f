"""What nobody wants to be told of: what git ignores, and what the command line names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from daybreak.errors import UsageError

GITIGNORE = ".gitignore"


@dataclass(frozen=True)
class Ignoring:
    """Patterns as git reads them, each set with the folder that it counts in."""

    sets: Sequence[tuple[Path, GitIgnoreSpec]]

    def takes(self, path: Path, *, folder: bool = False) -> bool:
        """Is it to be left out? `folder`: it is one, which patterns that end with a slash mean."""
        mark = "/" if folder else ""
        return any(
            patterns.match_file(f"{path.relative_to(place)}{mark}")
            for place, patterns in self.sets
            if path.is_relative_to(place) and path != place
        )


def ignoring(folder: Path, more: Sequence[str]) -> Ignoring:
    """The patterns of `.gitignore` in the folder and above it, up to the repository's own, with `more` in the folder.

    Raises UsageError for what is no pattern among `more`.
    """
    found = [
        (place, patterns) for place in _up_to_the_repository(folder) if (patterns := patterns_of(place / GITIGNORE))
    ]
    try:
        return Ignoring([*found, (folder, GitIgnoreSpec.from_lines(more))])
    except ValueError as error:
        raise UsageError(f"--ignore: {error}; nothing was started", hint="as in .gitignore: data/, *.md") from None


def _up_to_the_repository(folder: Path) -> Iterator[Path]:
    """The folder alone where it is in no repository."""
    above = [folder, *folder.parents]
    inside = next((count for count, place in enumerate(above) if (place / ".git").exists()), 0)
    yield from above[: inside + 1]


def patterns_of(path: Path) -> GitIgnoreSpec | None:
    """None where there is none, or it cannot be read."""
    try:
        return GitIgnoreSpec.from_lines(path.read_text(errors="replace").splitlines())
    except (OSError, ValueError):
        return None

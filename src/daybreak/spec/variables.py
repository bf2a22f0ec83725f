"""Where the variables of a spec come from: the environment of the command, then `.env` beside the spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from daybreak.spec.asker import asker
from daybreak.spec.dotenv import read_variables

FILE = ".env"


@dataclass
class Variables:
    """What a spec in `folder` may name. `.env` is read where a variable is asked for that is not set otherwise.

    `asked` holds what was asked for and found, by name: True where the environment has it.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=lambda: asker().environment)
    asked: dict[str, bool] = field(default_factory=dict)

    def __call__(self, name: str) -> str | None:
        """Its value; None where nobody has set it. Raises SpecError for a `.env` that cannot be read."""
        value = self.environment.get(name)
        if value is not None:
            self.asked[name] = True
            return value
        value = self._of_file.get(name)
        if value is not None:
            self.asked[name] = False
        return value

    @property
    def of_environment(self) -> dict[str, str]:
        """Those that were asked for and that the environment alone has given."""
        return {name: self.environment[name] for name, there in sorted(self.asked.items()) if there}

    @cached_property
    def _of_file(self) -> Mapping[str, str]:
        file = self.folder / FILE
        return read_variables(file, self.environment.get) if file.is_file() else {}

"""Ten tests of an application: with a cluster in each, as people write them, and with daybreak's plugin for pytest."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.commands import Commands
from bench.reloads.code import TRIVIAL_CODE
from bench.scenarios import Measured

TESTS_S = 600.0
PYTEST = ("pytest", "-q", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Tests:
    """`text` is the file of the tests, `options` what pytest gets besides."""

    text: str
    options: tuple[str, ...] = ()

    def __call__(self, commands: Commands, _workers: int) -> Measured:
        """From the command to its end, with all that it starts and stops. Raises RunFailed where a test fails."""
        folder = commands.folder / "app"
        folder.mkdir()
        commands.work_in(folder)
        TRIVIAL_CODE.write(folder)
        (folder / "test_app.py").write_text(self.text)
        commands.allow(TESTS_S)
        began_s = time.monotonic()
        commands.run(*PYTEST, *self.options, "test_app.py")
        return Measured({"tests_s": round(time.monotonic() - began_s, 3)})

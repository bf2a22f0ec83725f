"""What hosts are sent, made when the first of them asks for it, and kept for the others."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from daybreak.errors import DaybreakError
from daybreak.keeper.hosts import fit
from daybreak.keeper.ssh import wheels

ASK_S = 30.0
_ALL, _ASK = "wheels-{digest}.tar", "import json, sys; print(json.dumps(sys.path))"


class Supplies:
    """Of one cluster, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._one_at_a_time = asyncio.Lock()
        self._own: tuple[str, Path] | None = None

    async def own(self) -> tuple[str, Path]:
        """Daybreak's wheel in a tar file, and its digest. Raises OSError."""
        async with self._one_at_a_time:
            if self._own is None or not self._own[1].exists():
                self._own = await asyncio.to_thread(self._pack_own)
            return self._own

    async def all(self, python: str) -> Path:
        """Ray of that interpreter here, and what it and daybreak need, in a tar file. Raises DaybreakError, OSError."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._pack_all, python)

    def _pack_own(self) -> tuple[str, Path]:
        try:
            name, content = wheels.own()
        except metadata.PackageNotFoundError:
            raise DaybreakError("daybreak is not installed here in a way that can be sent") from None
        digest, path = hashlib.sha256(content).hexdigest()[:16], self._folder / "daybreak.tar"
        wheels.tar_of([(name, content)], path)
        return digest, path

    def _pack_all(self, python: str) -> Path:
        own = f"{sys.version_info.major}.{sys.version_info.minor}"
        if fit.python_minor(python) != own:
            raise DaybreakError(
                f"Ray runs on Python {fit.python_minor(python)} here and daybreak on {own}: no environment has both",
                hint="give the host a package index, or name an interpreter there that has both with `python:`",
            )
        found = wheels.needed([] if python == sys.executable else _places(python))
        path = self._folder / _ALL.format(digest=wheels.digest(found))
        if not path.exists():
            for old in self._folder.glob(_ALL.format(digest="*")):
                old.unlink()
            wheels.tar_of((wheels.repacked(each) for each in found), path)
        return path


def _places(python: str) -> list[str]:
    """Where an interpreter looks for packages. Raises DaybreakError."""
    try:
        done = subprocess.run([python, "-I", "-c", _ASK], capture_output=True, text=True, timeout=ASK_S, check=True)
        return [str(each) for each in json.loads(done.stdout)]
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise DaybreakError(f"{python} does not tell where its packages are: {error}") from error

"""Folders that are small file systems of their own, so that they can be filled."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.commands import RunFailed

# State and data of a small cluster need a part of it.
SIZE = "1g"


class Small:
    """What is mounted at the moment. Only root may."""

    def __init__(self) -> None:
        self._mounted: dict[str, Path] = {}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._mounted)

    @staticmethod
    def why_not() -> str:
        """Why nothing can be mounted here; nothing where it can."""
        if os.geteuid() != 0:
            return "only root can make a small file system"
        return "" if shutil.which("mount") else "this machine has no mount"

    def mount(self, folders: Mapping[str, Path]) -> None:
        """All of them or none. Raises RunFailed."""
        for name, folder in folders.items():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            argv = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder)]
            done = subprocess.run(argv, check=False, capture_output=True, text=True)
            if done.returncode:
                self.unmount()
                raise RunFailed(f"{folder} cannot be made a small file system: {done.stderr.strip()}")
            self._mounted[name] = folder

    def unmount(self) -> None:
        """All of it; what is still in use goes when nobody uses it any more."""
        while self._mounted:
            _, folder = self._mounted.popitem()
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

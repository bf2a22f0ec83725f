"""Ray's own modules, read ahead: the template must not run them, but it can have their compiled code ready.

A fork that imports Ray finds the code in memory that all forks share, instead of reading some three hundred files and
making objects of them. The modules themselves are made in the fork, as always.
"""

import glob
import importlib.machinery
import importlib.util
import os
import types
from typing import Any, Dict, List, Tuple

from ..common import collector

PACKAGE = "ray"
# Folders of Ray's package in which most files are needed by one or another of its processes.
FOLDERS = """
. _common _common/usage _private _private/accelerators _private/authentication _private/event _private/ray_logging
_private/runtime_env _private/runtime_env/agent _private/telemetry _private/thirdparty _private/thirdparty/dacite
_private/thirdparty/pathspec _private/thirdparty/pathspec/patterns _private/thirdparty/tabulate autoscaler
autoscaler/_private cloudpickle core core/generated dag dashboard dashboard/modules dashboard/modules/*
dashboard/subprocesses experimental experimental/channel experimental/rdt runtime_env scripts serve serve/_private
serve/_private/* serve/generated util util/state widgets
""".split()


class Codes:
    """Compiled code by file, with the time and the size that the file had."""

    def __init__(self) -> None:
        self._kept: Dict[str, Tuple[Tuple[int, int], types.CodeType]] = {}

    def read(self, package: str) -> int:
        """Read what is compiled already below this folder; returns how many files that were."""
        for folder in FOLDERS:
            for path in glob.glob(os.path.join(glob.escape(package), folder, "*.py")):
                self._read_file(os.path.normpath(path))
        return len(self._kept)

    def _read_file(self, path: str) -> None:
        try:
            if not os.path.exists(importlib.util.cache_from_source(path)):
                return  # to compile it here would take longer than it saves
            stamp = _stamp(path)
            code = importlib.machinery.SourceFileLoader("ahead", path).get_code("ahead")
        except (OSError, SyntaxError, ValueError, ImportError):
            return
        if code is not None:
            self._kept[path] = (stamp, code)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """As a finder of imports, in a fork: where a file is here, and is still what it was."""
        if name == PACKAGE:
            found = importlib.machinery.PathFinder.find_spec(name, path, target)
            if found is not None and self._has(found.origin or ""):
                found.loader = _Loader(name, found.origin or "", self)
            return found
        if not name.startswith(PACKAGE + ".") or not path:
            return None
        last = name.rpartition(".")[2]
        for folder in path:
            for file, places in ((f"{folder}/{last}/__init__.py", [f"{folder}/{last}"]), (f"{folder}/{last}.py", None)):
                if self._has(file):
                    loader = _Loader(name, file, self)
                    return importlib.util.spec_from_file_location(
                        name, file, loader=loader, submodule_search_locations=places
                    )
        return None

    def _has(self, path: str) -> bool:
        try:
            return path in self._kept and _stamp(path) == self._kept[path][0]
        except OSError:
            return False

    def get(self, path: str) -> types.CodeType:
        return self._kept[path][1]


class _Loader(importlib.machinery.SourceFileLoader):
    """One of Ray's modules whose code is here."""

    def __init__(self, name: str, path: str, codes: Codes) -> None:
        super().__init__(name, path)
        self._codes = codes

    def get_code(self, fullname: str) -> types.CodeType:  # noqa: ARG002
        return self._codes.get(self.path)

    def exec_module(self, module: types.ModuleType) -> None:
        with collector.resting():
            super().exec_module(module)


def _stamp(path: str) -> Tuple[int, int]:
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size


def package(site_path: List[str]) -> str:
    """Ray's folder on this search path; empty where there is none."""
    folders = (os.path.join(entry, PACKAGE) for entry in site_path)
    return next((folder for folder in folders if os.path.isfile(f"{folder}/_version.py")), "")

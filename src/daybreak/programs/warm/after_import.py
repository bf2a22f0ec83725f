"""What a fork changes of a module, as soon as the module has been imported."""

import importlib.abc
import importlib.util
import sys
from typing import Any, Callable, Optional, Sequence


def call(name: str, then: Callable[[Any], None]) -> None:
    """Call `then` with the module of that name when it has run, once."""
    sys.meta_path.insert(0, _Waiting(name, then))


class _Waiting(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, then: Callable[[Any], None]) -> None:
        self._name = name
        self._then = then

    def find_spec(self, name: str, _path: Optional[Sequence[str]], _target: Any = None) -> Any:
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        found = importlib.util.find_spec(name)
        if found is not None and found.loader is not None:
            run: Any = found.loader.exec_module

            def run_and_change(module: Any) -> None:
                run(module)
                self._then(module)

            setattr(found.loader, "exec_module", run_and_change)  # noqa: B010
        return found

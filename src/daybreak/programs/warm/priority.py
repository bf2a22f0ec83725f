"""A worker's priority. Ray lowers it (by RAY_worker_niceness, 15) when a worker has imported what it needs.

Where applications are replaced, those that answer have the low priority already: against it a new worker's imports, at
the usual one, take the processors as long as they last. So a worker that starts meanwhile has its own from its begin.
"""

import os
import sys
from typing import Any, Dict, Optional

from . import modules

VARIABLE = "RAY_worker_niceness"
# Ray's own default.
USUAL = 15
# Ray lowers the priority of these alone.
WORKER_TYPE, PLAIN = "--worker-type=", "WORKER"
# Its `global_worker` has a `core_worker` when the setting has been read.
WORKERS = "ray._private.worker"


def begin_low(program: Dict[str, Any]) -> None:
    """In a fork, before the program begins: do what Ray would do later, and let it add nothing to that."""
    kinds = [word[len(WORKER_TYPE) :] for word in program["argv"] if word.startswith(WORKER_TYPE)]
    if not program["what"].endswith(modules.WORKER) or any(kind != PLAIN for kind in kinds):
        return
    given = os.environ.get(VARIABLE)
    try:
        by = USUAL if given is None else int(given)
    except ValueError:
        return  # Ray says what it thinks of it
    if by > 0:
        os.nice(by)
        os.environ[VARIABLE] = "0"
        sys.meta_path.insert(0, _Restore(given))


class _Restore:
    """Sets the variable back as soon as Ray has read it: what a worker starts inherits it as it was."""

    def __init__(self, given: Optional[str]) -> None:
        self._given = given
        self._done = False

    def find_spec(self, _name: str, *_: Any) -> None:
        """Of any module that is looked for when Ray's own part is made, such as the user's."""
        if self._done or not hasattr(getattr(sys.modules.get(WORKERS), "global_worker", None), "core_worker"):
            return
        # It stays where it is: whoever looks for the module goes through the list just now.
        self._done = True
        if self._given is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = self._given

"""Logs of all nodes of this machine for one log monitor."""

import os
from typing import Any, Callable, List

PROGRAM = "/_private/log_monitor.py"
# How Ray's log monitor looks for the files of its node.
LOOKS = ('glob.glob(\n            f"{self.logs_dir}/worker*', "import glob\n")


def can_gather(services: str) -> bool:
    """Does this Ray's log monitor look for files in the way that `everywhere` changes? By the path of its neighbour."""
    try:
        with open(os.path.join(os.path.dirname(services), "log_monitor.py"), encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return False
    return all(part in text for part in LOOKS)


def everywhere(glob: Callable[..., List[str]], own: str) -> Callable[..., List[str]]:
    """`glob` that looks for what is in the folder `own`, .../NODE/SESSION/logs, in those of all nodes."""
    runtime, session = own.rsplit("/", 3)[0], own.rsplit("/", 3)[2]

    def looked(pattern: Any, *args: Any, **kwargs: Any) -> List[str]:
        if isinstance(pattern, str) and pattern.startswith(own + "/"):
            pattern = f"{runtime}/*/{session}/logs{pattern[len(own) :]}"
        return glob(pattern, *args, **kwargs)

    return looked

"""Ray's log monitor for all nodes of a machine: `python log_monitor.py PROGRAM ...`, with Ray's program and arguments.

It sends what workers print to the drivers. Ray's own looks into the folder of one node.
"""

import glob
import runpy
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daybreak.rayside import gathering
else:  # run as a file: its folder is where modules are looked for
    import gathering

FLAG = "--logs-dir="


def main() -> None:
    sys.argv = sys.argv[1:]
    own = next(word[len(FLAG) :] for word in sys.argv if word.startswith(FLAG))
    setattr(glob, "glob", gathering.everywhere(glob.glob, own))  # noqa: B010
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()

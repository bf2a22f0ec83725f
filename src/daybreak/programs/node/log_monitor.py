"""Ray's log monitor for all nodes of a machine: `python log_monitor.py PROGRAM ...`, with Ray's program and arguments.

It sends what workers print to the drivers. Ray's own looks into the folder of one node.
"""

import glob
import os
import runpy
import sys

if not __package__:  # run as a file: its neighbours are found under a name that nobody else has, and nowhere else
    sys.modules["daybreak_programs"] = shelf = type(sys)("daybreak_programs")
    here = os.path.dirname(os.path.abspath(__file__))
    shelf.__path__ = [os.path.dirname(here)]
    sys.path[:] = [folder for folder in sys.path if folder != here]
    __package__ = "daybreak_programs.node"

from . import gathering

FLAG = "--logs-dir="


def main() -> None:
    sys.argv = sys.argv[1:]
    own = next(word[len(FLAG) :] for word in sys.argv if word.startswith(FLAG))
    setattr(glob, "glob", gathering.everywhere(glob.glob, own))  # noqa: B010
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()

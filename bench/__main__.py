"""All suites, one after the other: `python -m bench [SUITE ...]`. Options are those of one suite, such as --rounds."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bench import chaos, containers, endurance, hosts, reload, restart, scale, startup, suite, work

SUITES = {
    each.name: each
    for each in (
        startup.SUITE,
        work.SUITE,
        scale.SUITE,
        restart.SUITE,
        reload.SUITE,
        endurance.SUITE,
        containers.SUITE,
        hosts.SUITE,
    )
}
NAMES = (*SUITES, chaos.NAME)

# Those with options of their own.
OWN = {chaos.NAME: chaos.main, endurance.NAME: endurance.main, reload.NAME: reload.main}


def main(arguments: Sequence[str]) -> int:
    """The largest exit code of the suites; an interrupted one is the last."""
    count = next((number for number, word in enumerate(arguments) if word not in NAMES), len(arguments))
    names, options = list(arguments[:count]) or list(NAMES), arguments[count:]
    if options and not options[0].startswith("-"):
        print(f"bench: there is no suite {options[0]}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    if len(names) > 1 and any(word.startswith(("--out", "--only")) for word in options):
        print("bench: --out and --only go with one suite", file=sys.stderr)
        return 2
    worst = 0
    for name in names:
        run = OWN.get(name)
        code = run(options) if run else suite.main(SUITES[name], options)
        worst = max(worst, code)
        if code == suite.INTERRUPTED:
            break
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

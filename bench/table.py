"""The tables of README.md, docs/performance.md and docs/reliability.md, made from the results: no number is typed.

A page has `<!-- bench:NAME -->` and `<!-- /bench -->` where it wants a table: startup, work, scale,
containers, restart, reload, endurance, chaos, profile or goals, or promise for a sentence of restart's results.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import profile, render
from bench.enduring.table import endurance
from bench.faults.kept import Shelf
from bench.faults.table import chaos
from bench.machine import ROOT
from bench.restarts.promise import promise
from bench.results import Report, load

RESULTS = ROOT / "bench" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "performance.md", ROOT / "docs" / "reliability.md")
END = "<!-- /bench -->"
PLACE = re.compile(r"<!-- bench:(?P<name>[a-z]+) -->\n(?P<table>.*?)" + re.escape(END), re.DOTALL)
SUITES: dict[str, Callable[[Report], str]] = {
    "startup": render.startup,
    "work": render.work,
    "scale": render.scale,
    "containers": render.startup,
    "restart": render.restart,
    "reload": render.reload,
    "endurance": endurance,
    "hosts": render.hosts,
}
CHAOS = "chaos"
GOALS, PROMISE = "goals", "promise"
# They take hours on a machine of their own: their places are there before their results are.
LATE = {
    "restart": "Not measured yet.",
    "reload": "Not measured yet.",
    "endurance": "Not measured yet.",
    "hosts": "Not measured yet.",
    PROMISE: "",
}
PROFILE = "profile.json"


class NoTable(Exception):
    """The page has no place for a table, or one for a table that there is not."""


def begin(name: str) -> str:
    """What stands before a table."""
    return f"<!-- bench:{name} -->"


def tables(results: Path) -> dict[str, str]:
    """Every table that can be made from the results in a folder; that of the goals says what was not measured."""
    reports = {name: load(results / f"{name}.json") for name in SUITES if (results / f"{name}.json").is_file()}
    made = {name: SUITES[name](report) for name, report in reports.items()}
    if (results / PROFILE).is_file():
        made["profile"] = profile.table(json.loads((results / PROFILE).read_text()))
    if "restart" in reports:
        made[PROMISE] = promise(reports["restart"])
    made[CHAOS] = chaos(Shelf(results / CHAOS))
    return LATE | made | ({GOALS: render.goals(list(reports.values()))} if reports else {})


def placed(page: str, made: Mapping[str, str]) -> str:
    """The page with every table between its markers; raises NoTable."""
    names = [found["name"] for found in PLACE.finditer(page)]
    if not names:
        raise NoTable(f"there is no {begin('startup')} ... {END}")
    if absent := [name for name in names if name not in made]:
        raise NoTable(f"no results for {', '.join(absent)}; measure first: python -m bench {absent[0]}")
    return PLACE.sub(lambda found: f"{begin(found['name'])}\n{made[found['name']]}\n{END}", page)


def update(pages: Sequence[Path], made: Mapping[str, str], *, check: bool) -> list[str]:
    """Write the tables into the pages, or with `check` only look; returns what is wrong, in words."""
    wrong = []
    for path in pages:
        try:
            page = path.read_text()
            changed = placed(page, made)
        except (OSError, NoTable) as error:
            wrong.append(f"{path}: {error}")
            continue
        if changed == page:
            continue
        if check:
            wrong.append(f"{path}: a table is stale; run `python -m bench.table`")
        else:
            path.write_text(changed)
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a table is stale")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"folder, default {RESULTS.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    wrong = update(PAGES, tables(options.results), check=options.check)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""What becomes of a saved file: how soon new code answers, and what is lost meanwhile, beside the other tools."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench import suite
from bench.records import Goal, Limit
from bench.reloads.code import HEAVY_CODE, PLAIN_TESTS, PLUGIN_TESTS, TEN_CODE, TRIVIAL_CODE, Code
from bench.reloads.testing import Tests
from bench.reloads.tools import BY_ITSELF, DEV, SERVE_RUN, UVICORN, Tool
from bench.reloads.trial import Trial
from bench.scenarios import Scenario, Suite
from bench.systems import DAYBREAK

NAME = "reload"
SAVES, MANY_SAVES = 10, 100
# Beside other work nothing is measured.
FEW_SAVES, SOME_SAVES = 2, 6
MISTAKE, MANY, TESTS = "mistake", "many", "pytest"
MB = 1e6


def suite_of(saves: int, many: int) -> Suite:
    """The suite with so many saves of each, and so many in a row where growth is looked for."""
    return Suite(NAME, tuple(_scenarios(saves, many)), GOALS, rounds=1, workers=1, programs=PROGRAMS)


def _scenarios(saves: int, many: int) -> list[Scenario]:
    found = [
        _reload(tool, code, f"{tool.name}-{code.name}", code.title, Trial(tool, code, saves))
        for code in (TRIVIAL_CODE, HEAVY_CODE, TEN_CODE)
        for tool in (DEV, SERVE_RUN, UVICORN)
        if tool.serves or not code.parts
    ]
    for tool in (DEV, SERVE_RUN, UVICORN):
        title = "syntax error, then mended"
        trial = Trial(tool, TRIVIAL_CODE, saves, broken=True)
        found.append(_reload(tool, TRIVIAL_CODE, f"{tool.name}-{MISTAKE}", title, trial))
    grows = Trial(DEV, TRIVIAL_CODE, many, grows=True)
    found.append(_reload(DEV, TRIVIAL_CODE, f"{DEV.name}-{MANY}", f"{many} saves in a row", grows))
    plain, plugin = f"{TESTS}-plain", f"{TESTS}-{DEV.name}"
    title = "ten tests, `ray.init()` and `serve.run()` in each"
    found.append(Scenario(plain, title, plain, BY_ITSELF, Tests(PLAIN_TESTS), once=True))
    title = "ten tests, `daybreak_app`"
    found.append(Scenario(plugin, title, plain, DAYBREAK, Tests(PLUGIN_TESTS), once=True))
    return found


def _reload(tool: Tool, code: Code, name: str, title: str, trial: Trial) -> Scenario:
    """Beside `serve run --reload`, where that is measured, too."""
    baseline = name if name.endswith(MANY) else f"{SERVE_RUN.name}-{name.removeprefix(f'{tool.name}-')}"
    return Scenario(name, f"{title}: {tool.title}", baseline, tool.system, trial, skipped=code.missing, once=True)


def _at_most(name: str, what: str, measure: str, most: float, limit: Limit = Limit.MEDIAN) -> Goal:
    return Goal(f"reload, {what}", f"{DEV.name}-{name}", measure, most, limit=limit)


GOALS = (
    _at_most("trivial", "trivial application: first answer of the new code", "new_code_s", 0.8),
    _at_most("heavy", "pandas and scikit-learn: first answer of the new code", "new_code_s", 1.0),
    _at_most("ten", "one of ten deployments: first answer of the new code", "new_code_s", 1.0),
    _at_most("ten", "one of ten deployments: replaced", "deployments_count", 1),
    _at_most(MISTAKE, "a syntax error, mended: first answer of the new code", "new_code_s", 0.8),
    *(
        _at_most(name, f"{name}: requests failed or cut", "failed_count", 0, Limit.WORST)
        for name in ("trivial", "heavy", "ten", MISTAKE, MANY)
    ),
    _at_most(MANY, "a hundred saves: processes more", "processes_growth_count", 2, Limit.WORST),
    _at_most(MANY, "a hundred saves: memory more", "memory_growth_bytes", 50 * MB, Limit.WORST),
    Goal("reload, ten tests beside a cluster in each", f"{TESTS}-{DEV.name}", "tests_s", 5.0),
)
PROGRAMS = ("daybreak", "ray", "serve", "uvicorn", "pytest")
SUITE = suite_of(SAVES, MANY_SAVES)


def main(arguments: Sequence[str]) -> int:
    """As that of any suite; `--busy` only shows that every row runs, and has fewer saves."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--busy", action="store_true")
    few = parser.parse_known_args(arguments)[0].busy
    return suite.main(suite_of(FEW_SAVES, SOME_SAVES) if few else SUITE, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

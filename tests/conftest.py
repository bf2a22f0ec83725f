"""Comes before all other tests' modules, and so before anything of daybreak is imported."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.environment import settle

settle()
# There is one engine, and some of these tests count what is in it, or end it.
ON_THE_ENGINE = ("tests/docker/", "tests/contract/")
# Hypothesis gives each example 0.2 s, which a busy machine does not keep.
settings.register_profile("daybreak", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("daybreak")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test's report says what the clusters looked like at that moment: their fixtures end after it."""
    report = yield
    if report.failed:
        from tests import evidence  # imports daybreak, which `settle` comes before

        report.sections += evidence.sections()
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n` a file's tests stay together, since they share clusters, and those of the one Docker engine."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    return Scheduling(config, log)


def scope(nodeid: str) -> str:
    """What stays with one process."""
    path = nodeid.partition("::")[0]
    return "the engine" if path.startswith(ON_THE_ENGINE) else path

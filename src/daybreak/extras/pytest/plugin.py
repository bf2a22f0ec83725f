"""The plugin's fixtures and options. A run that uses none of them pays for this file alone, so it imports nothing else.

def test_it_answers(daybreak_app):
    shop = daybreak_app("app:main")
    assert shop.get("/health").status_code == 200
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from daybreak.api import Cluster
    from daybreak.extras.pytest.databases import Copies
    from daybreak.extras.pytest.session_cluster import SessionCluster

Deploy = Callable[..., "httpx.Client"]
SESSION = pytest.StashKey["SessionCluster"]()
BEGAN = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("daybreak", "Ray clusters by daybreak")
    group.addoption(
        "--daybreak-keep",
        action="store_true",
        help="leave the cluster of the tests running, so that the next run begins at once",
    )
    parser.addini("daybreak_file", "spec file of the tests' cluster, relative to the root folder", default="")
    parser.addini("daybreak_workers", "number of its workers", default="0")
    parser.addini(
        "daybreak_early",
        "start the cluster before the tests are imported: Ray reads the variables that lead to it when it is imported",
        type="bool",
        default=False,
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    collects_alone = config.getoption("collectonly", False)
    # The process that pytest-xdist starts the others from runs no tests.
    distributes = bool(config.getoption("numprocesses", None)) and "PYTEST_XDIST_WORKER" not in os.environ
    if config.getini("daybreak_early") and not collects_alone and not distributes:
        _session(config).begin()


def pytest_sessionfinish(session: pytest.Session) -> None:
    found = session.config.stash.get(SESSION, None)
    if found:
        found.end()


def _session(config: pytest.Config) -> SessionCluster:
    """The session's; it begins when something of the cluster is asked for."""
    from daybreak.extras.pytest.session_cluster import SessionCluster

    if SESSION not in config.stash:
        found = SessionCluster(
            folder=_folder(config),
            file=_file(config),
            workers=_workers(config),
            worker=os.environ.get("PYTEST_XDIST_WORKER", ""),
            keep=bool(config.getoption("--daybreak-keep")),
        )
        config.stash[SESSION] = found
    return config.stash[SESSION]


@pytest.fixture(scope="session")
def daybreak_session(request: pytest.FixtureRequest) -> SessionCluster:
    """The cluster and what deploys to it; of no interest to tests themselves."""
    return _session(request.config)


@pytest.fixture(scope="session")
def daybreak_cluster(daybreak_session: SessionCluster) -> Cluster:
    """A running cluster: from `daybreak.yaml`, without its applications, under a name and at ports of its own.

    While it is there the environment leads to it: DATABASE_URL and REDIS_URL name its databases, and `ray.init()`
    connects to it where Ray was imported afterwards; the option `daybreak_early` sees to that.
    """
    return daybreak_session.cluster


@pytest.fixture
def daybreak_app(daybreak_session: SessionCluster, request: pytest.FixtureRequest) -> Iterator[Deploy]:
    """Deploys an application and gives a client for its URL: `daybreak_app("app:main", args={...}, route="/")`.

    What was deployed before is replaced; where that is the same, with the same code, it stays and nothing is waited
    for.
    """
    clients: list[httpx.Client] = []

    def deploy(target: str, *, args: dict[str, Any] | None = None, route: str = "/", **given: Any) -> httpx.Client:
        import httpx

        if daybreak_session.refused:
            # Where the cluster itself does not start, that is asked for once a session.
            request.getfixturevalue("daybreak_cluster")
        url = daybreak_session.deploy(target, args or {}, route)
        clients.append(httpx.Client(base_url=url, **{"timeout": 30.0, **given}))
        return clients[-1]

    yield deploy
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def daybreak_schema() -> Callable[[str], None]:
    """What makes the tables of a new database, told of its URL; override it to run your migrations, once a session."""
    return lambda _: None


@pytest.fixture(scope="session")
def daybreak_databases(daybreak_session: SessionCluster, daybreak_schema: Callable[[str], None]) -> Iterator[Copies]:
    """The database that those of tests are copied from; of no interest to tests themselves."""
    from daybreak.extras.pytest.databases import Copies

    with Copies(daybreak_session.database_url(), daybreak_schema) as copies:
        yield copies


@pytest.fixture
def daybreak_database(daybreak_databases: Copies, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a PostgreSQL database that is this test's alone, as `daybreak_schema` has made it; DATABASE_URL names
    it meanwhile. It is dropped afterwards."""
    with daybreak_databases.copy() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        yield url


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    item.stash[BEGAN] = time.time()
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failing test shows what its application has logged since it began."""
    outcome: Any = yield
    report = outcome.get_result()
    found = item.config.stash.get(SESSION, None)
    if report.failed and found and "daybreak_session" in getattr(item, "fixturenames", ()):
        lines = found.logged_since(item.stash[BEGAN])
        if lines:
            report.sections.append(("what the application has logged", "\n".join(lines)))


def _folder(config: pytest.Config) -> Path:
    """Where the application is: the nearest folder with a spec, from where pytest was called up to its root folder."""
    from daybreak.spec import find_spec

    called = config.invocation_params.dir
    above = [called, *called.parents] if called.is_relative_to(config.rootpath) else []
    between = [place for place in above if place.is_relative_to(config.rootpath)]
    return next((place for place in between if find_spec(place)), config.rootpath)


def _file(config: pytest.Config) -> Path | None:
    named = str(config.getini("daybreak_file"))
    return config.rootpath / named if named else None


def _workers(config: pytest.Config) -> int:
    written = str(config.getini("daybreak_workers"))
    if not written.isdecimal():
        raise pytest.UsageError(f"daybreak_workers: give a number of workers, such as 1, not {written!r}")
    return int(written)

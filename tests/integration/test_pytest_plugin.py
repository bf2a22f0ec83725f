"""The plugin as a user has it: pytest in a folder of its own, twice, on one cluster that is kept in between."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.integration.conftest import DEADLINE_S, RAY_RELEASE, Sandbox

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(RAY_RELEASE < (2, 60), reason="one Ray is enough: it deploys as `up` does"),
]

APP = """
import os
from ray import serve


@serve.deployment
class App:
    def __init__(self, word="one"):
        self.word = word

    def __call__(self, request):
        print("asked for", request.url.path)
        return {"word": self.word, "pid": os.getpid()}


main = App.bind()


def build(args):
    return App.bind(args["word"])
"""
TESTS = """
import os

import psycopg
import pytest
import ray


@pytest.fixture(scope="session")
def daybreak_schema():
    def make(url):
        with psycopg.connect(url) as connection:
            connection.execute("create table visits (n int)")

    return make


def test_an_application(daybreak_app):
    assert daybreak_app("app:build", args={"word": "two"}).get("/").json()["word"] == "two"


def test_another_one(daybreak_app):
    answer = daybreak_app("app:main").get("/").json()
    assert answer["word"] == "one"
    print("pid", answer["pid"])


def test_ray(daybreak_cluster):
    ray.init()
    assert ray.get(ray.remote(lambda: 7).remote()) == 7
    ray.shutdown()


@pytest.mark.parametrize("round", [1, 2])
def test_a_database(daybreak_database, round):
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("insert into visits values (1)")
        assert connection.execute("select count(*) from visits").fetchone() == (1,)


def test_that_fails(daybreak_app):
    assert daybreak_app("app:main").get("/on-purpose").text == ""
"""


def run(sandbox: Sandbox, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *options],
        cwd=sandbox.folder,
        env=sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_a_session_and_the_next_one_on_the_same_cluster(sandbox: Sandbox) -> None:
    sandbox.write(
        "databases: {postgres: {}}\nserve: {applications: [{import: 'app:main'}]}", app_py=APP, test_app_py=TESTS
    )
    (sandbox.folder / "pytest.ini").write_text("[pytest]\ndaybreak_early = true\n")
    sandbox.name = "it-test"
    first = run(sandbox, "--daybreak-keep")
    assert "1 failed, 5 passed" in first
    assert "FAILED test_app.py::test_that_fails" in first
    # What the failing test has asked for, and nothing that Serve says of itself.
    _, _, shown = first.partition("what the application has logged")
    assert "asked for /on-purpose" in shown
    assert "controller" not in shown.partition("= PASSES =")[0]
    services = sandbox.column("pid")
    # The second session begins with what the first has left: nothing is deployed, nothing is replaced.
    again = run(sandbox, "-k", "another or fails")
    assert "1 failed, 1 passed" in again
    assert re.findall(r"^pid \d+", again, re.MULTILINE) == re.findall(r"^pid \d+", first, re.MULTILINE)
    assert services["head"]
    assert sandbox.status()["state"] == "stopped"
    assert not (sandbox.root / "data").exists() or not any((sandbox.root / "data").iterdir())

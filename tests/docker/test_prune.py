"""`daybreak doctor --prune` and a real engine: what is ours and unused goes, everything else stays."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from daybreak.cli.doctor.prune import prune
from daybreak.docker.connect import connect
from daybreak.docker.docker_cli import Client
from daybreak.docker.labels import CLUSTER as LABEL
from daybreak.errors import DaybreakError, UsageError
from daybreak.extras.doctor import engines
from daybreak.extras.doctor.diagnoses import docker
from daybreak.extras.doctor.engines import CommandEngine, Leftover, PackageEngine
from tests.docker.helpers import BASE


@dataclass
class Made:
    """Things of this test alone, by kind; all of them are gone after it."""

    engine: Client
    word: str = field(default_factory=lambda: f"dbprune{uuid.uuid4().hex[:8]}")
    things: list[tuple[str, str]] = field(default_factory=list)

    def name(self, what: str) -> str:
        return f"{self.word}-{what}"

    def volume(self, what: str, *options: str) -> str:
        return self._made("volume", "volume", "create", *options, self.name(what), what=what)

    def network(self, what: str, *options: str) -> str:
        return self._made("network", "network", "create", *options, self.name(what), what=what)

    def image(self, what: str, *changes: str) -> str:
        """An empty image; importing takes no build and no base."""
        words = [word for change in changes for word in ("--change", change)]
        self.engine.ask("import", *words, "-", self.name(what), stdin=b"\0" * 1024)
        self.things.append(("image", self.name(what)))
        return self.name(what)

    def container(self, what: str, *options: str, runs: bool = False) -> str:
        ended = ("true",) if not runs else ("sleep", "600")
        words = ["run", "--detach"] if runs else ["create"]
        return self._made("container", *words, "--name", self.name(what), *options, BASE, *ended, what=what)

    def _made(self, kind: str, *words: str, what: str) -> str:
        self.engine.ask(*words)
        self.things.append((kind, self.name(what)))
        return self.name(what)

    def there(self) -> set[str]:
        """What is left of it, without the word that all names begin with."""
        return {name.removeprefix(f"{self.word}-") for kind, name in self.things if self._is_there(kind, name)}

    def _is_there(self, kind: str, name: str) -> bool:
        try:
            self.engine.ask(kind, "inspect", name)
        except DaybreakError:
            return False
        return True

    def remove(self) -> None:
        for kind, name in reversed(self.things):
            if self._is_there(kind, name):
                self.engine.ask(kind, "rm", *(["--force", "--volumes"] if kind == "container" else []), name)


@pytest.fixture
def made(engine: Client) -> Iterator[Made]:
    found = Made(engine)
    yield found
    found.remove()


def fill(made: Made) -> dict[str, str]:
    """Everything there is of a cluster without a state folder, with one that is known, and a stranger's things."""
    lost, known = made.name("lost"), made.name("known")
    ours = ("--label", f"{LABEL}={lost}")
    for what in ("free", "lent", "held"):
        made.volume(f"{what}-volume", *ours)
        made.network(f"{what}-network", *ours)
    made.image("free-image", f"LABEL {LABEL}={lost}")
    made.volume("stranger-volume", "--label", "com.example=x")
    made.network("stranger-network")
    made.image("stranger-image")
    made.volume("known-volume", "--label", f"{LABEL}={known}")
    made.container("known-container", "--label", f"{LABEL}={known}")
    made.container("ended", *ours, "--network", made.name("free-network"), "-v", f"{made.name('free-volume')}:/data")
    made.container(
        "running", *ours, "--network", made.name("held-network"), "-v", f"{made.name('held-volume')}:/data", runs=True
    )
    made.container("stranger", "--network", made.name("lent-network"), "-v", f"{made.name('lent-volume')}:/data")
    return {"lost": lost, "known": known}


GOES = {"ended", "free-network", "free-volume", "free-image"}


@pytest.fixture
def only_ours(made: Made, monkeypatch: pytest.MonkeyPatch) -> Made:
    """What other tests made, and what this machine had before, is none of this test's business."""
    monkeypatch.setattr(docker, "old", lambda engine, all_of=docker.old: _of(made, all_of(engine)))
    return made


def test_what_is_ours_and_unused_is_shown_and_then_deleted(
    only_ours: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = only_ours
    (tmp_path / fill(made)["known"]).mkdir()
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    before = made.there()
    with pytest.raises(UsageError, match="Delete all 4"):
        prune(yes=False, as_json=False, volumes=True)  # nobody is there to be asked
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [kind for kind, *_ in shown] == ["container", "network", "volume", "image"]
    assert {name.removeprefix(f"{made.word}-").removesuffix(":latest") for _, name, *_ in shown} == GOES
    assert made.there() == before

    package = PackageEngine(connect(60.0))
    found = docker.old(CommandEngine(60))
    assert docker.old(package) == found
    monkeypatch.setattr(engines, "find", lambda timeout_s: Halves(package, CommandEngine(timeout_s)))
    prune(yes=True, as_json=False, volumes=True)
    assert made.there() == before - GOES
    assert capsys.readouterr().err == "deleted 4\n"
    prune(yes=True, as_json=False, volumes=True)
    assert capsys.readouterr().err == "nothing of daybreak's is left in Docker\n"


@dataclass
class Halves:
    """Both ways to the engine: the package deletes containers and volumes, the command the rest."""

    package: PackageEngine
    command: CommandEngine

    def listed(self, kind: str) -> list[dict[str, Any]]:
        return self.command.listed(kind)

    def remove(self, leftover: Leftover) -> None:
        (self.package if leftover.kind in ("container", "volume") else self.command).remove(leftover)


def _of(made: Made, found: list[Leftover]) -> list[Leftover]:
    return [left for left in found if left.cluster.startswith(made.word)]


def test_the_doctor_tells_what_is_left_and_how_it_goes(made: Made, tmp_path: Path) -> None:
    volume = made.volume("volume", "--label", f"{LABEL}={made.name('lost')}")
    found = diagnosis(tmp_path)
    assert found["made"]
    told = found["findings"][0]
    assert told["severity"] == "note"
    assert told["mend"] == ["daybreak doctor --prune"]
    assert f"volume {volume} of cluster {made.name('lost')}" in told["found"] or told["found"].endswith(", ...")
    assert found["findings"][-1]["found"].startswith("Docker ")


def test_an_engine_that_is_not_there_is_told(engine: Client, tmp_path: Path) -> None:
    (finding,) = diagnosis(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/docker.sock")["findings"]
    assert finding["severity"] == "note"
    assert "engine does not answer at " in finding["found"]


def diagnosis(folder: Path, **env: str) -> dict[str, Any]:
    """What the real command says of Docker, in a folder without anything."""
    # Where there is no state folder at all it may be one that is not mounted now, and nothing is called left over.
    (folder / "home").mkdir(mode=0o700)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("daybreak")), "doctor", "docker", "--json"],
        cwd=folder,
        env={**os.environ, "DAYBREAK_HOME": str(folder), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["diagnoses"][0]
    return found

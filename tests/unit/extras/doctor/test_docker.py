"""Docker: a command with the answers of a real engine (20.10.24), the same answers through the package's client."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daybreak.cli.doctor.prune import prune
from daybreak.docker import refusals
from daybreak.docker.api import EngineClient
from daybreak.errors import DaybreakError
from daybreak.extras.doctor import engines
from daybreak.extras.doctor.diagnoses import docker
from daybreak.extras.doctor.diagnoses.leftovers import unused
from daybreak.extras.doctor.engines import CommandEngine, Leftover, PackageEngine
from daybreak.extras.doctor.finding import Severity
from tests.unit.extras.doctor.conftest import MakeCase, of

OLD, USED = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
INFO = {"ServerVersion": "20.10.24+dfsg1", "Driver": "overlay2", "DockerRootDir": "/var/lib/docker"}
IMAGE = {
    "Id": OLD,
    "RepoTags": ["daybreak-visits:old", "daybreak-visits:1"],
    "Size": 300 * 2**20,
    "Config": {"Labels": {"daybreak.cluster": "visits"}},
}
NEWEST = {**IMAGE, "Id": USED, "RepoTags": ["daybreak-visits:2"]}
OURS = {"daybreak.cluster": "visits"}


def volume(name: str, cluster: str) -> dict[str, Any]:
    return {"Name": name, "Labels": {"daybreak.cluster": cluster}}


def container(
    name: str, image: str, status: str, labels: dict[str, str], *volumes: str, net: str = ""
) -> dict[str, Any]:
    return {
        "Id": name,
        "Name": f"/{name}",
        "Image": image,
        "State": {"Status": status},
        "Config": {"Labels": labels},
        "Mounts": [{"Type": "volume", "Name": name} for name in volumes] + [{"Type": "bind", "Source": "/etc"}],
        "NetworkSettings": {"Networks": {"x": {"NetworkID": net}} if net else {}},
    }


def identity(row: dict[str, Any]) -> str:
    """Volumes have a name alone."""
    return str(row.get("Id") or row["Name"])


# One that has ended, one that runs, and a stranger's that has ended and uses what is ours.
CONTAINERS = [
    container("visits-head", OLD, "exited", OURS, "visits-data", net="n1"),
    container("visits-postgres", USED, "running", OURS, "visits-used", net="n2"),
    container("stranger", f"sha256:{'c' * 64}", "exited", {}, "visits-lent", net="n3"),
]
NETWORKS = [{"Id": f"n{number}", "Name": f"visits-{number}", "Labels": OURS} for number in (1, 2, 3)]
VOLUMES = [volume("visits-data", "visits"), volume("visits-used", "visits"), volume("visits-lent", "visits")]
VOLUMES += [volume("kept-data", "kept")]
LISTED = {"container": CONTAINERS, "network": NETWORKS, "volume": VOLUMES, "image": [IMAGE, NEWEST]}
LEFT = [
    Leftover("container", ("visits-head",), "visits"),
    Leftover("network", ("visits-1",), "visits"),
    Leftover("volume", ("visits-data",), "visits"),
    Leftover("image", ("daybreak-visits:old", "daybreak-visits:1"), "visits", 300 * 2**20),
]
Fake = Callable[..., Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A `docker` in front of the search path that answers from files and writes down what it was asked."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    asked = tmp_path / "asked"

    def make(info: dict[str, Any] | None = None, refused: str = "") -> Path:
        answers = {
            "info": json.dumps(INFO | (info or {})),
            "system": "Images\t1.2GB\nLocal Volumes\t48MB",
            **{f"{kind} ls": "\n".join(identity(row) for row in rows) for kind, rows in LISTED.items()},
            **{f"{kind} inspect": json.dumps(rows) for kind, rows in LISTED.items()},
        }
        cases = "".join(f"  '{words}'*) cat <<'END'\n{text}\nEND\n  ;;\n" for words, text in _longest_first(answers))
        refuse = f"echo '{refused}' >&2; exit 1\n" if refused else ""
        (bin_folder / "docker").write_text(
            f'#!/bin/sh\necho "$*" >> {asked}\n{refuse}case "$*" in\n{cases}  *\' rm \'*) ;;\n  *) exit 9;;\nesac\n'
        )
        (bin_folder / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
        monkeypatch.setattr(engines, "find", lambda timeout_s=5.0: CommandEngine(timeout_s))
        return asked

    return make


def _longest_first(answers: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(answers.items(), key=lambda pair: -len(pair[0]))


def test_no_docker_is_fine(make_case: MakeCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "SOCKET", "/no/such/socket")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert engines.find() is None
    assert "not installed" in of(docker.look(make_case()), Severity.OK).found
    with pytest.raises(DaybreakError, match="not installed"):
        prune(yes=True, as_json=False)


def test_an_engine_that_does_not_answer_is_a_note(make_case: MakeCase, fake: Fake) -> None:
    fake(refused="Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")
    found = of(docker.look(make_case()), Severity.NOTE)
    assert found.found == "Docker's engine does not answer at /var/run/docker.sock"
    assert found.mend == ("sudo systemctl start docker",)


def test_what_a_cluster_in_another_home_has_is_kept(tmp_path: Path) -> None:
    labels = {"daybreak.cluster": "visits", "daybreak.root": str(tmp_path / "other/visits")}
    theirs = {"Name": "visits-theirs", "Labels": labels}
    engine = Listing({**{kind: [] for kind in LISTED}, "volume": [theirs]})
    (tmp_path / "other/visits").mkdir(parents=True)
    assert docker.old(engine) == []
    (tmp_path / "other/visits").rmdir()
    assert docker.old(engine) == [Leftover("volume", ("visits-theirs",), "visits")]
    (tmp_path / "other").rmdir()
    assert docker.old(engine) == [], "not mounted, or another machine's: nobody can tell"


def test_what_another_account_has_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {"daybreak.cluster": "visits", "daybreak.root": str(tmp_path / "visits")}
    engine = Listing({**{kind: [] for kind in LISTED}, "volume": [{"Name": "visits-theirs", "Labels": labels}]})
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    assert docker.old(engine) == []

    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.undo()
    monkeypatch.setattr(Path, "lstat", refuse)
    assert docker.old(engine) == []


def test_the_engine_its_driver_and_what_takes_its_disk(make_case: MakeCase, fake: Fake) -> None:
    fake({"Driver": "vfs"})
    assert "vfs" in of(docker.look(make_case()), Severity.WARNING).found
    fake()
    found = list(docker.look(make_case()))
    assert found[-1].found == "Docker 20.10.24+dfsg1, overlay2; images 1.2GB, local volumes 48MB"


def test_an_engine_that_takes_its_time_is_not_waited_for(
    make_case: MakeCase, fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake()
    program = tmp_path / "bin/docker"
    program.write_text(program.read_text().replace("case ", "case $1 in system) exec sleep 60;; esac\ncase ", 1))
    monkeypatch.setattr(engines, "find", Patient)
    assert list(docker.look(make_case()))[-1].found.endswith(
        "disk use not known (docker system: no answer within 0.2 s)"
    )


class Patient(CommandEngine):
    """Waits for all but for what its disk holds."""

    def disk_use(self) -> str:
        return CommandEngine(0.2).disk_use()


def test_what_is_left_leaves_out_what_is_used_and_data_of_clusters_that_are_still_known(
    make_case: MakeCase, fake: Fake, tmp_path: Path
) -> None:
    asked = fake()
    (tmp_path / "home/kept").mkdir(parents=True)
    assert docker.old(CommandEngine()) == LEFT
    found = of(docker.look(make_case()), Severity.NOTE)
    assert "4 of daybreak's things in Docker are not in use: container visits-head of cluster visits, " in found.found
    assert found.found.endswith(", ...")
    assert found.mend == ("daybreak doctor --prune",)
    assert " rm" not in asked.read_text()


def test_prune_shows_asks_and_deletes(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = fake()
    (tmp_path / "home/kept").mkdir(parents=True)
    prune(yes=True, as_json=False, volumes=True)
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "container visits-head of cluster visits",
        "network visits-1 of cluster visits",
        "volume visits-data of cluster visits",
        "image daybreak-visits:old of cluster visits (300.0 MiB)",
    ]
    assert shown.err == "deleted 4\n"
    assert [line for line in asked.read_text().splitlines() if " rm" in line] == [
        "container rm --volumes visits-head",
        "network rm visits-1",
        "volume rm visits-data",
        "image rm daybreak-visits:old daybreak-visits:1",
    ]


def test_of_a_cluster_that_is_known_only_images_without_a_name_go(fake: Fake, tmp_path: Path) -> None:
    fake()
    (tmp_path / "home/visits").mkdir(parents=True)
    assert docker.old(CommandEngine()) == [Leftover("volume", ("kept-data",), "kept")]
    nameless = {**IMAGE, "RepoTags": []}
    listed = {**LISTED, "container": [], "image": [nameless, NEWEST]}
    assert unused(Listing(listed), lambda labels: True) == [Leftover("image", (OLD,), "visits", 300 * 2**20)]


def test_what_compose_has_made_is_composes() -> None:
    labels = {**OURS, "com.docker.compose.project": "visits"}
    stopped = container("visits-head-1", OLD, "exited", labels, "none")
    listed = {**{kind: [] for kind in LISTED}, "container": [stopped]}
    assert unused(Listing(listed), lambda labels: False) == []


def test_what_ends_while_it_is_looked_at_is_listed_again(fake: Fake, tmp_path: Path) -> None:
    fake()
    program = tmp_path / "bin/docker"
    once = (
        f"if [ \"$2\" = inspect ] && mkdir {tmp_path}/once; then echo 'Error: No such container: c1' >&2; exit 1; fi\n"
    )
    program.write_text(program.read_text().replace("case ", f"{once}case ", 1))
    assert CommandEngine().listed("container") == CONTAINERS


class Listing(CommandEngine):
    def __init__(self, listed: dict[str, list[dict[str, Any]]]) -> None:
        self._listed = listed

    def listed(self, kind: str) -> list[dict[str, Any]]:
        return self._listed[kind]


def test_what_the_engine_keeps_is_told_and_the_rest_goes(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake()
    monkeypatch.setattr(engines, "find", Refusing)
    with pytest.raises(DaybreakError, match=r"image daybreak-visits:old .* was not deleted: in use"):
        prune(yes=True, as_json=False, volumes=True)
    assert "volume rm visits-data" in asked.read_text()


def test_data_goes_only_where_that_is_said(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = fake()
    (tmp_path / "home/kept").mkdir(parents=True)
    prune(yes=True, as_json=False)
    assert capsys.readouterr().err == "not deleted without --volumes: 1 volume with data\ndeleted 3\n"
    assert "volume rm" not in asked.read_text()


class Refusing(CommandEngine):
    def remove(self, leftover: Leftover) -> None:
        if leftover.kind == "image":
            raise DaybreakError("in use")
        super().remove(leftover)


class NotFound(Exception):
    status_code = 404


class Api:
    """The low-level client of the Python package, with the same engine behind it."""

    api_version = "1.41"

    def __init__(self) -> None:
        self.removed: list[str] = []

    def containers(self, all: bool, filters: dict[str, Any]) -> list[dict[str, Any]]:
        return [*CONTAINERS, {"Id": "gone"}] if all else []

    def networks(self, names: None, filters: dict[str, Any]) -> list[dict[str, Any]]:
        assert filters == {"label": ["daybreak.cluster"]}
        return NETWORKS

    def images(self, filters: dict[str, Any]) -> list[dict[str, Any]]:
        assert filters == {"label": ["daybreak.cluster"]}
        return [IMAGE, NEWEST, IMAGE]

    def volumes(self, filters: dict[str, Any]) -> dict[str, Any]:
        assert filters == {"label": ["daybreak.cluster"]}
        return {"Volumes": VOLUMES}

    def __getattr__(self, name: str) -> Callable[[str], dict[str, Any]]:
        kind = name.removeprefix("inspect_")

        def inspect(wanted: str) -> dict[str, Any]:
            for row in LISTED[kind]:
                if identity(row) == wanted:
                    return row
            raise NotFound(f"No such {kind}: {wanted}")

        return inspect

    def remove_container(self, name: str, v: bool, force: bool) -> None:
        assert v
        assert not force
        self.removed.append(name)

    def remove_image(self, name: str) -> None:
        self.removed.append(name)

    def remove_volume(self, name: str) -> None:
        raise RuntimeError("volume is in use")

    def info(self) -> dict[str, Any]:
        return INFO

    def df(self) -> dict[str, Any]:
        return {"LayersSize": 3 * 2**30, "Containers": [{"SizeRw": 2**20}], "Volumes": [{"UsageData": {"Size": -1}}]}


def test_the_package_says_the_same_as_the_command(tmp_path: Path) -> None:
    (tmp_path / "home/kept").mkdir(parents=True)
    client = Api()
    engine = PackageEngine(EngineClient(client, 1.0))
    assert engine.info() == INFO
    assert engine.disk_use() == "images 3.0 GiB, containers 1.0 MiB, local volumes 0 B"
    assert docker.old(engine) == LEFT
    engine.remove(LEFT[0])
    engine.remove(LEFT[3])
    assert client.removed == ["visits-head", "daybreak-visits:old", "daybreak-visits:1"]
    with pytest.raises(DaybreakError, match="volume is in use"):
        engine.remove(LEFT[2])

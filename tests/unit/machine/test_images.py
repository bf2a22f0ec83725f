"""What images hold, asked of an engine that has exactly what a test gives it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from daybreak.docker import labels
from daybreak.docker.api import EngineClient
from daybreak.errors import EngineError, PreflightError, SpecError
from daybreak.machine.images import Images
from daybreak.spec.model import RayExpectation

RAY = {"version": "2.60.0", "python": "/opt/ray/bin/python", "scripts": "/opt/ray/bin", "missing": {}}
ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nray:x:1000:100::/home/ray:/bin/bash\n"


class FakeEngine:
    """Images by name; `files` are those in a container, `said` is what a started one prints."""

    def __init__(self, images: Mapping[str, Mapping[str, Any]], files: Mapping[str, str] = {}, said: str = "") -> None:
        self.named = images
        self.files = files
        self.said = said
        self.calls: list[str] = []
        # One object is all parts of the engine: no two of their questions have one name and other words.
        self.images = self.containers = self

    def inspect(self, name: str) -> dict[str, Any]:
        if name not in self.named:
            raise EngineError(f"No such image: {name}", status=404)
        return {"Id": f"sha256:{name}", "Config": dict(self.named[name])}

    def create(self, config: Mapping[str, Any], name: str) -> str:
        self.calls.append("create")
        return "one"

    def read(self, container: str, path: str) -> bytes:
        if path not in self.files:
            raise EngineError("no such file", status=404)
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            data = self.files[path].encode()
            entry = tarfile.TarInfo(Path(path).name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        return stream.getvalue()

    def start(self, container: str) -> None:
        self.calls.append("start")

    def wait(self, container: str, timeout_s: float, condition: str = "not-running") -> None:
        self.calls.append("wait")

    def output(self, container: str) -> bytes:
        return self.said.encode()

    def remove(self, container: str) -> None:
        self.calls.append("remove")


@pytest.mark.parametrize(("user", "uid"), [("", 0), ("1234", 1234), ("1234:100", 1234), ("ray", 1000), ("nobody", 0)])
def test_whom_its_programs_run_as(tmp_path: Path, user: str, uid: int) -> None:
    engine = FakeEngine({"a": {"User": user, "Env": ["PATH=/x", "A=b=c"]}}, {"/etc/passwd": ACCOUNTS})
    found = Images(cast(EngineClient, engine), tmp_path).find("a")
    assert (found.uid, found.id) == (uid, "sha256:a")
    assert found.env == {"PATH": "/x", "A": "b=c"}


def test_a_label_is_enough(tmp_path: Path) -> None:
    engine = FakeEngine({"a": {"Labels": {labels.RAY: json.dumps(RAY)}}})
    found = Images(cast(EngineClient, engine), tmp_path).ray("a", RayExpectation(version=">=2.60"))
    assert (found.version, found.python, found.command) == ("2.60.0", "/opt/ray/bin/python", "/opt/ray/bin/ray")
    assert engine.calls == []


def test_a_file_is_read_and_nothing_started(tmp_path: Path) -> None:
    engine = FakeEngine({"a": {}}, {labels.RAY_FILE: json.dumps(RAY)})
    assert Images(cast(EngineClient, engine), tmp_path).ray("a", RayExpectation()).version == "2.60.0"
    assert engine.calls == ["create", "remove"]


def test_else_the_image_is_asked_once(tmp_path: Path) -> None:
    engine = FakeEngine({"a": {}}, said="a word of the entrypoint's\n" + json.dumps(RAY))
    for _ in range(2):
        assert Images(cast(EngineClient, engine), tmp_path).ray("a", RayExpectation()).version == "2.60.0"
    assert engine.calls == ["create", "start", "wait", "remove"]


@pytest.mark.parametrize(
    ("said", "words"),
    [("", "has no Ray"), (json.dumps({**RAY, "missing": {"serve": ["fastapi"]}}), "lacks serve")],
)
def test_an_image_without_ray_says_what_to_do(tmp_path: Path, said: str, words: str) -> None:
    with pytest.raises(PreflightError) as caught:
        Images(cast(EngineClient, FakeEngine({"a": {}}, said=said)), tmp_path).ray("a", RayExpectation())
    assert words in caught.value.details()[0]
    assert "daybreak image build" in str(caught.value.hint)


def test_another_ray_than_expected(tmp_path: Path) -> None:
    engine = FakeEngine({"a": {"Labels": {labels.RAY: json.dumps(RAY)}}})
    with pytest.raises(SpecError) as caught:
        Images(cast(EngineClient, engine), tmp_path).ray("a", RayExpectation(version="<2.50"))
    assert "the image a has Ray 2.60.0" in caught.value.details()[0]


@pytest.mark.parametrize(
    ("name", "hint"), [("daybreak/shop:latest", "daybreak image build"), ("postgres:15", "docker pull")]
)
def test_an_image_that_is_not_there(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(PreflightError) as caught:
        Images(cast(EngineClient, FakeEngine({})), tmp_path).find(name)
    assert caught.value.details() == [f"there is no image {name}"]
    assert hint in str(caught.value.hint)

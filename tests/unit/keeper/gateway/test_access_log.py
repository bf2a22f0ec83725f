"""What the access log says of a request, and that it is written only where the spec wants it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from daybreak.keeper.background import Background
from daybreak.keeper.gateway.access_log import AccessLog, entry
from daybreak.keeper.gateway.traffic import Traffic
from daybreak.services.build import Cluster
from daybreak.spec.model import Spec
from daybreak.timeline.event import Kind
from tests.haproxy import PROGRAMS
from tests.helpers import eventually
from tests.unit.helpers import Recording
from tests.unit.keeper.gateway.bench import bench, story
from tests.unit.keeper.gateway.lines import line
from tests.unit.services.test_serving import site

AT_MS = 1_700_000_000_123


def test_one_object_for_each_request() -> None:
    found = entry(line(AT_MS, status=503, held_ms=7, path="/a b\tc\t10.0.0.7"))
    assert found == {
        "time": "2023-11-14T22:13:20.123+00:00",
        "level": "error",
        "client": "10.0.0.7",
        "method": "GET",
        "path": "/a b\tc",
        "status": 503,
        "ms": 10,
        "held_ms": 7,
        "bytes": 120,
        "application": "shop",
        "ended": "--",
    }
    assert entry(b"what") is None


def test_a_file_of_the_owners_alone_that_may_be_deleted_and_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "gateway.access"
    log = AccessLog(file)
    log.take([line(AT_MS, path="/one\t::1"), b"", b"what"])
    log.take([line(AT_MS, path="/two\t::1")])
    assert [json.loads(text)["path"] for text in file.read_text().splitlines()] == ["/one", "/two"]
    assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    log.take([line(AT_MS, path="/three\t::1")])
    assert json.loads(file.read_text())["path"] == "/three"
    # Whatever is in the way, requests are counted on.
    file.unlink()
    file.mkdir()
    log.take([line(AT_MS)])


def test_it_is_off_unless_the_spec_wants_it(tmp_path: Path) -> None:
    traffic = Traffic(Background(Recording().recorder))
    for wanted in (False, True, False):
        spec = Spec.model_validate({"name": "shop", "gateway": {"access_log": wanted}})
        traffic.want(Cluster(spec, site(None, logs=str(tmp_path)), ()))
        traffic.take([line(AT_MS)])
        assert (tmp_path / "gateway.access").exists() == wanted
        (tmp_path / "gateway.access").unlink(missing_ok=True)


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_a_real_gateway_tells_whose_request_it_was_and_nothing_behind_a_question_mark(
    folder: Path, program: str
) -> None:
    async with bench(folder, program, access_log=True) as made:
        background = Background(made.recording.recorder)
        Traffic(background).want(replace(made.cluster, site=replace(made.cluster.site, logs=str(folder))))
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        assert (await made.get("/a?token=secret"))[0] == 200
        file = folder / "gateway.access"
        await eventually(file.exists)
        found = json.loads(file.read_text())
        assert (found["client"], found["path"], found["status"]) == ("127.0.0.1", "/a", 200)
        background.close()

"""Secrets and files of variables of workers, as hosts get them."""

from __future__ import annotations

import asyncio
import base64
import stat
from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.hosts.handed import HandedValues, as_env_file, on_host
from daybreak.keeper.hosts.membership import worker_spec
from daybreak.spec.dotenv import parse_variables
from daybreak.spec.load import without_file
from tests.unit.keeper.hosts.two import First, Other, until

pytestmark = pytest.mark.usefixtures("killed_tasks_are_gone")
BINARY = b"\x00\xff binary"
VALUES = HandedValues(
    {"api-key": base64.b64encode(b"k1").decode(), "blob": base64.b64encode(BINARY).decode()},
    {"all.env": {"A": "1", "SET": "no"}, "w.env": {"B": "2", "EMPTY": "", "KEY": "no"}},
    uses=[{"name": "blob"}],
    env_file=[{"path": "all.env"}],
)
WORKERS = {"env": {"SET": "yes"}, "secrets": [{"name": "api-key", "env": "KEY"}], "env_file": [{"path": "w.env"}]}


def test_what_counts_is_as_beside_the_head(tmp_path: Path) -> None:
    found = on_host(VALUES, {**WORKERS, "env": {"SET": "yes", "KEY": "of the workers"}}, tmp_path)
    assert found.contents == {"api-key": b"k1", "blob": BINARY}
    assert found.secrets == {name: {"file": str(tmp_path / name)} for name in found.contents}
    # A secret's variable stands above what the section sets itself, and that above files of variables.
    assert found.env == {"SET": "yes"}
    assert found.uses == ({"name": "api-key", "env": "KEY"}, {"name": "blob"})
    assert found.variables == {"A": "1", "SET": "no", "B": "2", "EMPTY": "", "KEY": "no"}
    # What the first machine could not read is not there, and nobody is handed it.
    assert on_host(HandedValues(), WORKERS, tmp_path).uses == ()


@pytest.mark.parametrize(
    "value",
    ["", " ", "plain", "$HOME ${HOME}", "a\\$b", "\"quoted\" and 'so'", "two\nlines\r\n\tand", "\\n", "#x", "ü😀"],
)
def test_a_variable_reads_on_the_host_as_it_was(value: str) -> None:
    text = as_env_file({"A": value, "B": "next"})
    assert parse_variables(text, "variables.env", lambda _: "another") == {"A": value, "B": "next"}


def test_they_travel_to_a_host_which_keeps_them_as_long_as_it_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: dict[str, Any] = {
        "secrets": {"api-key": {"file": "key.txt"}},
        "env_file": "all.env",
        "workers": {"count": 1, "secrets": [{"name": "api-key", "env": "KEY"}], "env": {"APP": "1"}},
    }

    async def story() -> None:
        first, other = First(tmp_path / "first", monkeypatch), Other(tmp_path / "other")
        (first.folder / "key.txt").write_bytes(b"k1")
        (first.folder / "all.env").write_text("A=1\n")
        await first.begin_serving(**written)
        await other.join(*await first.invited(), name="far")
        member = other.folder.load()
        assert member
        spec = without_file(other.folder.code, below=worker_spec(member, other.folder)).spec
        assert {use.variable: use.name for use in spec.workers.secrets} == {"KEY": "api-key"}
        assert [one.path for one in spec.workers.env_file] == [str(other.folder.variables)]
        assert other.folder.variables.read_text() == 'A="1"\n'
        assert spec.workers.env == {"APP": "1"}
        kept = other.folder.handed / "api-key"
        assert kept.read_bytes() == b"k1"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert "k1" not in repr(member)
        async with other.following():
            await until(lambda: first.rows()["far"]["state"] == "ready")
            (first.folder / "key.txt").write_bytes(b"k2")
            (first.folder / "all.env").write_text("")
            await first.begin_serving(**written)
            await first.hosting.look()
            await until(lambda: bool(other.applied))
            # They were there before anything was started with them.
            assert other.read == {"api-key": b"k2"}
            assert other.folder.variables.read_text() == ""
            await until(lambda: first.rows()["far"]["state"] == "ready")
            assert [path.name for path in other.folder.handed.iterdir()] == ["api-key"]
        other.folder.forget()
        assert not kept.exists()
        first.keeper.parts.followers.desired.cluster = None
        await first.hosting.close()
        first.keeper.close()

    asyncio.run(story())

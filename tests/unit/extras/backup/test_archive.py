"""The archive of a backup: what went in comes out, and what is not whole is no backup."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from daybreak.errors import UsageError
from daybreak.extras.backup.archive import MANIFEST, Damaged, Writer, opened
from daybreak.extras.backup.manifest import FORMAT, Kind, Manifest
from daybreak.extras.backup.telling import Told

DUMP = b"PGDMP" + b"rows " * 200_000


def written(path: Path, told: list[Told] | None = None) -> Manifest:
    """A backup with a bit of everything."""
    with path.open("wb") as file:
        writer = Writer(file, (told if told is not None else []).append)
        with writer.part("postgres", Kind.ROLES) as sink:
            sink(b"SELECT 1;\n")
        for name in ("roles", "../../etc/passwd", "shop"):
            with writer.part("postgres", Kind.SETUP, name) as sink:
                sink(b"")
            with writer.part("postgres", Kind.DUMP, name, {"owner": "o'neill"}) as sink:
                sink(DUMP[:7])
                sink(DUMP[7:])
        with writer.part("redis", Kind.SNAPSHOT) as sink:
            sink(b"REDIS0011")
        servers = {"postgres": "18.4", "redis": "valkey 9.1.2"}
        made = Manifest("shop", 1764460800.5, "0.1.0", "process", servers, tuple(writer.parts), ("mysql",))
        writer.finish(made)
    return made


def test_what_went_in_comes_out(tmp_path: Path) -> None:
    told: list[Told] = []
    made = written(tmp_path / "a.zip", told)
    with opened(tmp_path / "a.zip") as archive:
        assert archive.manifest == made
        archive.check(lambda _: None)
        for part in made.of("postgres", Kind.DUMP):
            with archive.open(part) as member:
                assert member.read() == DUMP
            setup = made.setup_of(part)
            assert setup is not None
            assert (setup.name, archive.text(setup)) == (part.name, "")
    assert [one for one in told if one.over] == [
        *(Told(f"postgres {name}", len(DUMP), over=True) for name in ("roles", "../../etc/passwd", "shop")),
        Told("redis", 9, over=True),
    ]


def test_other_tools_can_read_it_and_no_name_leads_elsewhere(tmp_path: Path) -> None:
    written(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert found.testzip() is None
        names = found.namelist()
    assert "postgres/shop.dump" in names
    assert "redis/snapshot.rdb" in names
    assert names[-1] == MANIFEST, "it is written last"
    assert len(set(names)) == len(names)
    assert not [name for name in names if ".." in name]


@pytest.mark.parametrize("size", [0, 1, 1000, -100, -1])
def test_what_was_cut_off_is_no_backup(tmp_path: Path, size: int) -> None:
    written(tmp_path / "a.zip")
    whole = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:size])
    with pytest.raises(UsageError, match=r"no whole backup.*nothing was changed"), opened(tmp_path / "a.zip"):
        pass


def test_every_part_that_is_not_as_it_was_is_named(tmp_path: Path) -> None:
    written(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as found, zipfile.ZipFile(tmp_path / "b.zip", "w") as spoilt:
        for name in found.namelist():
            content = found.read(name)
            if name == "postgres/shop.dump":
                content = content[:-1] + b"!"
            if name == "redis/snapshot.rdb":
                content += b"more"
            if name != "postgres/roles.sql":
                spoilt.writestr(name, content)
    with opened(tmp_path / "b.zip") as archive, pytest.raises(Damaged) as caught:
        archive.check(lambda _: None)
    assert [problem.partition(":")[0] for problem in caught.value.details()] == [
        "postgres/roles.sql",
        "postgres/shop.dump",
        "redis/snapshot.rdb",
    ]
    assert "(and 2 more)" in caught.value.message
    assert caught.value.exit_code == 2


def test_a_byte_that_has_changed_on_the_disk_is_found(tmp_path: Path) -> None:
    written(tmp_path / "a.zip")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"REDIS0011") + 3] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    with opened(tmp_path / "a.zip") as archive, pytest.raises(Damaged, match=r"redis/snapshot\.rdb"):
        archive.check(lambda _: None)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"format": FORMAT + 1, "daybreak": "9.0"}, "daybreak 9.0, which is newer"),
        ({"format": FORMAT}, "manifest cannot be read"),
        ({"format": FORMAT, "cluster": "x", "made": 1, "daybreak": "1", "servers": [], "parts": []}, "cannot be read"),
        ([], "cannot be read"),
        ({"format": "no"}, "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_told(tmp_path: Path, manifest: object, words: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(MANIFEST, json.dumps(manifest))
    with pytest.raises(UsageError, match=words), opened(tmp_path / "a.zip"):
        pass


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    (tmp_path / "text.zip").write_text("hello")
    cases = {"absent": "No such file", ".": "no regular file", "text.zip": "no whole", "empty.zip": "no whole"}
    for name, words in cases.items():
        with pytest.raises(UsageError, match=words), opened(tmp_path / name):
            pass


def test_one_that_fails_leaves_no_error_behind_its_own(tmp_path: Path) -> None:
    with (tmp_path / "a.zip").open("wb") as file:
        writer = Writer(file, lambda _: None)
        with pytest.raises(OSError, match="No space"), writer.part("postgres", Kind.DUMP, "shop") as sink:
            sink(b"some")
            raise OSError("No space left on device")
        assert writer.parts == []
        writer.give_up()

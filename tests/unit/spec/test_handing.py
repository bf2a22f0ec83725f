"""Secrets and files of variables in a spec: who is handed what, and what is said where something is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daybreak.api.requests import payload
from daybreak.errors import Problem, SpecError
from daybreak.spec.handing import read_values
from daybreak.spec.load import LoadedSpec

Load = Callable[..., LoadedSpec]
Problems = Callable[..., tuple[Problem, ...]]

SPEC = """
    name: shop
    secrets:
      api-key: {file: key.txt}
      database: {environment: DB_PASSWORD}
      unused: {environment: NOBODY_SETS_THIS}
    env_file: all.env
    head: {secrets: [api-key]}
    services:
      api:
        command: [x]
        env_file: [api.env, {path: local.env, required: false}]
        secrets: [api-key, {name: database, env: PGPASSWORD}]
    """
SWORD = "swordfish-0815"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the spec, with all that it names."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "key.txt").write_text(f"{SWORD}\n")
    (folder / "all.env").write_text("LEVEL=info\n")
    (folder / "api.env").write_text('LEVEL=debug\nGREETING="hello ${NAME_OF_ALL}"\n')
    monkeypatch.setenv("DB_PASSWORD", "s3cret")
    monkeypatch.setenv("NAME_OF_ALL", "world")
    monkeypatch.chdir(tmp_path)
    return folder


def test_who_is_handed_what(load: Load, shop: Path) -> None:
    loaded = load(SPEC)
    assert loaded.missing == ()
    values, wrong = read_values(loaded.spec, shop, {"DB_PASSWORD": "s3cret", "NAME_OF_ALL": "world"}.get)
    assert not wrong
    assert values.secrets == {"api-key": f"{SWORD}\n".encode(), "database": b"s3cret"}
    assert values.files == {
        "all.env": {"LEVEL": "info"},
        "api.env": {"LEVEL": "debug", "GREETING": "hello world"},
        "local.env": {},
    }
    assert [use.variable for use in loaded.spec.services["api"].secrets] == ["API_KEY_FILE", "PGPASSWORD"]
    assert SWORD not in repr(values) + repr(loaded) + str(payload(loaded, take_over=False))


def test_all_that_is_missing_is_told_before_anything_starts(
    load: Load, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "key.txt").write_text("\n")
    (shop / "all.env").unlink()
    (shop / "api.env").write_text("A=1\nB\tC\n")
    monkeypatch.delenv("DB_PASSWORD")
    loaded = load(SPEC)
    with pytest.raises(SpecError) as caught:
        payload(loaded, take_over=False)
    found = [(one.file, one.line, one.key, one.message) for one in caught.value.problems]
    assert found == [
        ("shop/daybreak.yaml", 4, "secrets.api-key.file", f"{shop}/key.txt is empty"),
        ("shop/daybreak.yaml", 5, "secrets.database.environment", "the variable DB_PASSWORD is not set"),
        ("shop/daybreak.yaml", 7, "env_file[0]", f"no such file: {shop}/all.env"),
        ("shop/api.env", 2, "", "B has no '=' behind it"),
    ]


def test_a_variable_may_stand_in_the_file_beside_the_spec(
    load: Load, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DB_PASSWORD")
    (shop / ".env").write_text("DB_PASSWORD='of the file'\n")
    assert load(SPEC).missing == ()


def test_what_is_no_text_cannot_be_a_variable(load: Load, shop: Path) -> None:
    (shop / "key.txt").write_bytes(b"\xff\xfe\x00")
    assert load(SPEC).missing == ()
    (problem,) = load(SPEC.replace("secrets: [api-key, {", "secrets: [{name: api-key, env: KEY}, {")).missing
    assert "is no text" in problem.message


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        (
            "head: {secrets: [api-key]}",
            "head: {secrets: [api-kye]}",
            "head.secrets[0]",
            "no secret is called 'api-kye'",
        ),
        ("api-key: {file: key.txt}", "postgres: {file: key.txt}", "secrets.postgres", "daybreak makes itself"),
        ("{file: key.txt}", "{}", "secrets.api-key", "give either file or environment"),
        ("{file: key.txt}", "{file: a, environment: B}", "secrets.api-key", "give either file or environment"),
        ("env: PGPASSWORD", "env: API_KEY_FILE", "services.api.secrets[1]", "is set by the secret api-key already"),
        ("env: PGPASSWORD", "env: a-b", "services.api.secrets[1].env", "give the name of a variable"),
        ("env_file: all.env", "env_file: 3", "env_file", "give a list"),
    ],
)
def test_what_cannot_be_meant(problems: Problems, shop: Path, old: str, new: str, key: str, said: str) -> None:
    assert shop
    assert old in SPEC
    assert any(one.key == key and said in one.message for one in problems(SPEC.replace(old, new)))

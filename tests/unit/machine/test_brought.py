"""Passwords and scripts that the user brings."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.errors import PreflightError
from daybreak.machine.brought import find_scripts, secrets_of
from daybreak.spec.model import Spec


def spec(**postgres: object) -> Spec:
    return Spec.model_validate({"name": "shop", "databases": {"postgres": postgres, "redis": {}}})


def test_a_file_of_the_user_s_is_read_each_time_and_nothing_is_made_in_its_place(tmp_path: Path) -> None:
    wanted, folder, file = spec(password_file="pw"), tmp_path / "secrets", tmp_path / "pw"
    folder.mkdir()
    for password in ("one", "another"):
        file.write_text(f"{password}\n")
        found = secrets_of(wanted, tmp_path, folder, ["postgres", "redis"], keep=True)
        assert found["postgres"] == password
    assert [path.name for path in folder.iterdir()] == ["redis"], "it is kept when the cluster is this spec's"
    file.write_text("two\nlines\n")
    with pytest.raises(PreflightError, match="second line"):
        secrets_of(wanted, tmp_path, folder, ["postgres"], keep=True)
    file.unlink()
    with pytest.raises(PreflightError, match="cannot be read: No such file"):
        secrets_of(wanted, tmp_path, folder, ["postgres"], keep=True)


def test_scripts_of_several_places_are_in_the_order_of_the_spec(tmp_path: Path) -> None:
    (tmp_path / "init").mkdir()
    for name in ("z.sql", "init/b.sql", "init/a.sh"):
        (tmp_path / name).touch()
    found = find_scripts(spec(init=["z.sql", "init"]), tmp_path)
    assert found == {"postgres": tuple(str(tmp_path / name) for name in ("z.sql", "init/a.sh", "init/b.sql"))}
    assert find_scripts(spec(), tmp_path) == {}

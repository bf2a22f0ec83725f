"""The real database servers, started straight from their Service values: kept data, crashes, passwords, root."""

from __future__ import annotations

import gzip
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import psutil
import psycopg
import pytest
import redis as redis_client
from redis.backoff import NoBackoff
from redis.retry import Retry

from daybreak.backends.process import procfs
from daybreak.machine import accounts
from daybreak.machine.brought import find_scripts
from daybreak.machine.databases import find_postgres, find_redis
from daybreak.machine.secrets import ensure_secrets
from daybreak.services.databases.connections import connection_files, passwords_of
from daybreak.services.databases.processes import postgres, redis
from daybreak.services.databases.setup import setup_of
from daybreak.services.databases.setup_live import READY
from daybreak.services.service import CommandCheck, Service, StopPolicy
from daybreak.services.site import PostgresServer, RayInstall, Site
from daybreak.spec.model import Spec
from tests.helpers import free_ports, has_gone, until

pytestmark = pytest.mark.database

NOBODY = 65534
DEADLINE_S = 60.0
BUSY = "DO $$ BEGIN LOOP END LOOP; END $$"


@dataclass
class Runner:
    """Runs services as plain processes, as `uid` where given; what it started is gone when it is closed."""

    folder: Path
    uid: int | None = None
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def spec(self, database: str = "daybreak", **settings: str | int | float | bool) -> Spec:
        databases = {"postgres": {"database": database, "settings": settings}, "redis": {}}
        return Spec.model_validate({"name": "shop", "databases": databases})

    def site(self, server: PostgresServer | None = None) -> Site:
        for name in ("data", "secrets", "run", "logs"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        secrets = ensure_secrets(self.folder / "secrets", ["postgres", "postgres-admin", "redis"])
        book = self.folder / "test-ports"
        if not book.exists():
            # Not the product's own: clusters of tests beside this one take those.
            book.write_text("{} {}".format(*free_ports(2)))
        numbers = [int(number) for number in book.read_text().split()]
        site = Site(
            base=str(self.folder),
            root=str(self.folder),
            runtime=str(self.folder / "run"),
            logs=str(self.folder / "logs"),
            data=str(self.folder / "data"),
            secrets_folder=str(self.folder / "secrets"),
            ray=RayInstall("2.60.0", "python", "ray"),
            node_ip="127.0.0.1",
            ports={"postgres": numbers[0], "redis": numbers[1]},
            secrets=secrets,
            postgres=server,
            redis=find_redis(),
        )
        self._give_away()
        return site

    def prepare(self, service: Service) -> subprocess.Popen[bytes]:
        """Begin the service's only preparation, in a session of its own."""
        return self._popen(service, service.prepare[0].argv)

    def start(self, service: Service) -> subprocess.Popen[bytes]:
        """Prepare where needed, then start; returns the main process."""
        for step in service.prepare:
            if not Path(step.creates).exists():
                done = self.prepare(service)
                assert done.wait(DEADLINE_S) == 0, self.log(service)
                assert Path(step.creates).exists()
        for file in service.files:
            Path(file.path).parent.mkdir(mode=0o700, exist_ok=True)
            Path(file.path).write_text(file.text)
            Path(file.path).chmod(0o600)
        for name in service.folders:
            Path(name).mkdir(mode=0o700, exist_ok=True)
        self._give_away()
        return self._popen(service, service.argv)

    def start_ready(self, service: Service) -> subprocess.Popen[bytes]:
        """Start, and wait until the service's check passes; returns the main process."""
        process = self.start(service)
        until(lambda: self.ready(service) or process.poll() is not None, what=f"{service.name} is ready")
        assert process.poll() is None, self.log(service)
        return process

    def ready(self, service: Service) -> bool:
        check = service.gates[-1].check
        assert isinstance(check, CommandCheck)
        return subprocess.run(check.argv, check=False, capture_output=True).returncode == 0

    def stop(self, process: subprocess.Popen[bytes], policy: StopPolicy) -> int:
        assert policy.main_only
        process.send_signal(signal.Signals[policy.signal])
        return process.wait(policy.grace_s)

    def log(self, service: Service) -> str:
        return (self.folder / f"{service.name}.log").read_text()

    def processes(self) -> list[psutil.Process]:
        """Everything that works in the test's folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()).is_relative_to(self.folder) and process.pid != os.getpid():
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def kill_everything(self) -> None:
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for child in self.running:
            child.wait(DEADLINE_S)
        until(lambda: not self.processes(), what="all processes gone")

    def close(self) -> None:
        for child in self.running:
            if child.poll() is None:
                child.kill()
        self.kill_everything()
        shutil.rmtree(self.folder)

    def _popen(self, service: Service, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        plain = {key: value for key, value in service.env.items() if isinstance(value, str)}
        with open(self.folder / f"{service.name}.log", "ab") as log:
            process = subprocess.Popen(
                argv,
                cwd=service.cwd,
                env={**os.environ, **plain, "DAYBREAK_INSTANCE": "i-1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self.uid,
                group=self.uid,
                extra_groups=None if self.uid is None else [],
            )
        self.running.append(process)
        return process

    def _give_away(self) -> None:
        if self.uid is not None:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, self.uid, self.uid, follow_symlinks=False)


def new_runner(uid: int | None = None) -> Runner:
    # Not pytest's tmp_path: sockets need a short path, and another user must be able to pass.
    return Runner(Path(tempfile.mkdtemp(prefix="dbt-", dir="/tmp")), uid)


@pytest.fixture
def runner() -> Iterator[Runner]:
    made = new_runner()
    yield made
    made.close()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Runner, Spec, Site]]:
    """A server with settings of the user, for tests that leave it as it is but for what is in its database."""
    made = new_runner()
    try:
        spec = made.spec(work_mem="17MB", jit=False, max_connections=33, application_name="it's \\ here")
        site = made.site(found_postgres())
        made.start_ready(postgres(spec, site))
        yield made, spec, site
    finally:
        made.close()


def found_postgres() -> PostgresServer:
    server = find_postgres()
    if server is None:
        pytest.skip("there is no PostgreSQL here")
    return server


def older(server: PostgresServer) -> PostgresServer:
    """The PostgreSQL 16 of the same package."""
    folder = Path(server.folder).parents[1] / "pginstall/bin"
    if not folder.is_dir():
        pytest.skip("the package has no older PostgreSQL")
    return replace(server, folder=str(folder), version="16.14")


def other_account(server: PostgresServer) -> PostgresServer:
    """The way for containers, where root may not make a user namespace."""
    account = accounts._account()
    if os.geteuid() != 0 or account is None:
        pytest.skip("only root can run a server under another account")
    return replace(server, run_as=accounts._other_account(account))


@pytest.fixture(params=["found", "older", "other-account", "not-root"])
def case(request: pytest.FixtureRequest) -> Iterator[tuple[Runner, PostgresServer]]:
    server, uid = found_postgres(), None
    if request.param == "older":
        server = older(server)
    elif request.param == "other-account":
        server = other_account(server)
    elif request.param == "not-root":
        if os.geteuid() != 0:
            pytest.skip("not root anyway")
        server, uid = replace(server, run_as=()), NOBODY
    made = new_runner(uid)
    yield made, server
    made.close()


def url(spec: Spec, site: Site) -> str:
    return connection_files(spec, site)["database-url"]


def admin(site: Site, database: str = "daybreak") -> str:
    place = f"host={site.runtime} port={site.ports['postgres']} dbname={database}"
    return f"{place} user=daybreak_admin password={site.secrets['postgres-admin']}"


def rows(address: str) -> list[int]:
    with psycopg.connect(address) as connection:
        return [int(row[0]) for row in connection.execute("SELECT n FROM kept ORDER BY n")]


def write_row(address: str, number: int) -> None:
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [number])


def test_postgres_keeps_its_rows_through_kill_and_stop(case: tuple[Runner, PostgresServer]) -> None:
    runner, server = case
    spec, site = runner.spec(), runner.site(server)
    service = postgres(spec, site)
    process = runner.start_ready(service)
    write_row(url(spec, site), 1)
    secret = site.secrets["postgres"]
    assert not [p for p in psutil.process_iter(["cmdline"]) if secret in " ".join(p.info["cmdline"] or ())]
    runner.kill_everything()

    process = runner.start_ready(service)
    write_row(url(spec, site), 2)
    assert rows(url(spec, site)) == [1, 2]
    assert process.pid == psutil.Process(process.pid).pid
    assert psutil.Process(process.pid).name() == "postgres", "the main process is the server itself"
    assert runner.stop(process, service.stop) == 0
    assert "database system is shut down" in runner.log(service)
    assert secret not in runner.log(service)
    assert not runner.processes()


def test_a_wrong_password_is_refused_on_both_ways(served: tuple[Runner, Spec, Site]) -> None:
    _, _, site = served
    right = site.secrets["postgres"]
    for host in ("127.0.0.1", site.runtime):
        place = f"host={host} port={site.ports['postgres']} user=daybreak dbname=daybreak connect_timeout=5"
        for wrong in ("nonsense", ""):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(f"{place} password='{wrong}' passfile=/nonexistent").close()
        psycopg.connect(f"{place} password={right}").close()
    assert (Path(site.runtime) / f".s.PGSQL.{site.ports['postgres']}").stat().st_mode & 0o777 == 0o700


def test_programs_own_their_database_and_are_no_superuser(served: tuple[Runner, Spec, Site]) -> None:
    _, spec, site = served
    with psycopg.connect(url(spec, site), autocommit=True) as connection:
        assert facts(connection) == ("off", "daybreak")
        for forbidden in ("COPY (SELECT 1) TO PROGRAM 'id'", "SELECT pg_read_file('/etc/passwd')", "CREATE ROLE x"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)
        for allowed in ("CREATE SCHEMA own", "DROP SCHEMA public CASCADE"):
            connection.execute(allowed)
        connection.execute("CREATE DATABASE test_shop")
    port, secret = site.ports["postgres"], site.secrets["postgres-admin"]
    with pytest.raises(psycopg.OperationalError, match="reject"):
        psycopg.connect(f"host=127.0.0.1 port={port} user=daybreak_admin password={secret} dbname=daybreak").close()
    with psycopg.connect(admin(site)) as connection:
        assert connection.execute("SHOW is_superuser").fetchone() == ("on",)


def facts(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[object, ...] | None:
    """Whether we are a superuser, and whose the database is."""
    return connection.execute(
        "SELECT current_setting('is_superuser'), datdba::regrole::text "
        "FROM pg_database WHERE datname = current_database()"
    ).fetchone()


OLD = """
CREATE ROLE reader;
CREATE ROLE writer LOGIN;
CREATE ROLE member IN ROLE daybreak;
CREATE SCHEMA stock;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN stock.amount AS int CHECK (VALUE >= 0);
CREATE TYPE pair AS (a int, b int);
CREATE TYPE span AS RANGE (SUBTYPE = float8);
CREATE SEQUENCE numbers;
CREATE TABLE stock.item (id serial PRIMARY KEY, n stock.amount, mood mood, other int GENERATED ALWAYS AS IDENTITY);
CREATE TABLE part (n int) PARTITION BY RANGE (n);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (9);
CREATE STATISTICS stat ON id, n FROM stock.item;
CREATE VIEW shown AS SELECT * FROM stock.item;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM stock.item;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int4);
CREATE OPERATOR @+@ (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR CLASS own FOR TYPE int USING btree AS FUNCTION 1 btint4cmp(int, int);
CREATE COLLATION bytes FROM "C";
CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
CREATE PUBLICATION news FOR TABLE stock.item;
CREATE TABLE "of the writer" (n int);
ALTER TABLE "of the writer" OWNER TO writer;
INSERT INTO stock.item (n, mood) VALUES (7, 'good');
SELECT lo_create(4711);
GRANT SELECT ON shown TO reader;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA stock GRANT INSERT ON TABLES TO writer WITH GRANT OPTION;
ALTER ROLE daybreak SET search_path = stock, public;
ALTER ROLE daybreak IN DATABASE daybreak SET work_mem = '17MB';
"""
NEW = """
CREATE TABLE stock.later (n int);
CREATE TABLE public.latest (n int);
ALTER TABLE stock.item ADD more text;
INSERT INTO stock.item (n, mood) VALUES (8, 'bad');
DROP TABLE part_1;
REFRESH MATERIALIZED VIEW counted;
CREATE OR REPLACE VIEW shown AS SELECT id, n, mood, other FROM stock.item;
CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n + n';
SELECT twice(nextval('numbers')::int);
DROP PROCEDURE nothing();
DROP AGGREGATE total(int);
DROP OPERATOR @+@ (int, int);
DROP OPERATOR CLASS own USING btree;
DROP OPERATOR FAMILY own USING btree;
DROP COLLATION bytes;
DROP TEXT SEARCH CONFIGURATION words;
DROP STATISTICS stat;
ALTER PUBLICATION news SET (publish = 'insert');
SELECT lo_unlink(4711);
ALTER TYPE mood ADD VALUE 'so so';
DROP TYPE pair;
DROP TYPE span;
ALTER TABLE "of the writer" ADD m int;
"""


def no_group(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return True
    return False


def made_as_before(runner: Runner, service: Service, site: Site, spec: Spec) -> None:
    """A data folder whose superuser is the user of programs, with a bit of everything in two databases."""
    assert site.postgres
    options = f"--username=daybreak --pwfile={site.secrets_folder}/postgres --auth=scram-sha-256 --no-sync"
    words = (*site.postgres.run_as, f"{site.postgres.folder}/initdb", "-D", f"{site.data}/postgres", *options.split())
    subprocess.run(words, check=True, capture_output=True)
    process = runner.start_ready(replace(service, prepare=()))
    for name in ("daybreak", "second one"):
        with psycopg.connect(in_database(spec, site, "postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        with psycopg.connect(in_database(spec, site, name), autocommit=True) as connection:
            for line in filter(str.strip, OLD.split(";\n")):
                if name == "daybreak" or "ROLE" not in line:
                    connection.execute(line)
    assert runner.stop(process, service.stop) == 0


def in_database(spec: Spec, site: Site, name: str) -> str:
    return url(spec, site).removesuffix("daybreak") + name.replace(" ", "%20")


def assert_handed_over(spec: Spec, site: Site) -> None:
    for name in ("daybreak", "second one"):
        with psycopg.connect(in_database(spec, site, name), autocommit=True) as connection:
            assert facts(connection) == ("off", "daybreak")
            left = "SELECT relname, relkind FROM pg_class WHERE relowner = 10 AND oid >= 16384"
            assert connection.execute(left).fetchall() == []
            for line in filter(str.strip, NEW.split(";\n")):
                connection.execute(line)
            found = connection.execute("SELECT n, mood::text FROM shown ORDER BY n").fetchall()
            assert found == [(7, "good"), (8, "bad")]
            for table, role, what in (("public.latest", "reader", "SELECT"), ("stock.later", "writer", "INSERT")):
                asked = connection.execute("SELECT has_table_privilege(%s, %s, %s)", [role, table, what])
                assert asked.fetchone() == (True,), table
    with psycopg.connect(url(spec, site)) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("stock, public",)
        assert connection.execute("SHOW work_mem").fetchone() == ("17MB",)
        for role, expected in (("daybreak_admin", False), ("daybreak", True)):
            asked = connection.execute("SELECT pg_has_role('member', %s, 'MEMBER')", [role])
            assert asked.fetchone() == (expected,), role
        assert connection.execute("SELECT 1 FROM pg_roles WHERE rolname ~ 'handing'").fetchone() is None


@pytest.mark.parametrize("release", ["found", "older"])
def test_data_of_a_superuser_is_handed_over_and_all_of_it_works(runner: Runner, release: str) -> None:
    server = found_postgres() if release == "found" else older(found_postgres())
    spec, site = runner.spec(), runner.site(server)
    service = postgres(spec, site)
    made_as_before(runner, service, site, spec)
    for after_s in (0.1, 0.25, 0.4):  # cut off anywhere, it is done again
        process = runner.prepare(service)
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        until(partial(no_group, process.pid), what="all processes gone")
    runner.start_ready(service)
    assert "stays with" not in runner.log(service)
    assert_handed_over(spec, site)


def with_extension(spec: Spec) -> Spec:
    raw = spec.model_dump(mode="json")
    raw["databases"]["postgres"]["extensions"] = ["vector"]
    return Spec.model_validate(raw)


def set_up_as_in_a_container(spec: Spec, site: Site) -> list[int]:
    """What the script of two checks returns."""
    wanted = spec.databases.postgres
    assert wanted
    assert site.postgres
    folder, port = f"{site.data}/postgres", str(site.ports["postgres"])
    setup = setup_of(wanted)
    for marker in Path(folder).glob("daybreak-setup-*"):
        marker.unlink()
    words = (site.secrets_folder, port, *setup.words, f"{folder}/{setup.marker(site)}", "127.0.0.1", "first")
    env = {"PATH": f"{site.postgres.folder}:{os.environ['PATH']}", "PGHOST": site.runtime}
    script = ["/bin/sh", "-ec", READY, "sh", *words]
    return [subprocess.run(script, env=env, check=False, stdin=subprocess.DEVNULL).returncode for _ in range(2)]


@pytest.mark.parametrize("data", ["new", "as-before"])
def test_what_sets_a_container_up_does_the_same(runner: Runner, data: str) -> None:
    """With a server that lets everybody in at its socket, as the images do."""
    spec, site = runner.spec(), runner.site(found_postgres())
    service = postgres(spec, site)
    if data == "as-before":
        made_as_before(runner, service, site, spec)
        service = replace(service, prepare=())
    hba = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    files = tuple(replace(file, text=hba) if "hba" in file.path else file for file in service.files)
    runner.start_ready(replace(service, files=files))
    assert set_up_as_in_a_container(with_extension(spec), site) == [1, 0], "not before it was set up"
    if data == "as-before":
        assert_handed_over(spec, site)
    with psycopg.connect(url(spec, site)) as connection:
        assert facts(connection) == ("off", "daybreak")
        assert connection.execute("SELECT '[1,2]'::public.vector::text").fetchone() == ("[1,2]",)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(admin(site).replace(f"host={site.runtime}", "host=127.0.0.1")).close()


def test_what_sets_a_container_up_makes_further_databases(runner: Runner) -> None:
    server = found_postgres()
    spec, site = with_further(runner, server)
    service = postgres(runner.spec(), site)
    hba = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    files = tuple(replace(file, text=hba) if "hba" in file.path else file for file in service.files)
    runner.start_ready(replace(service, files=files))
    assert set_up_as_in_a_container(spec, site) == [1, 0]
    assert_apart(spec, site)


def test_extensions_that_only_a_superuser_may_create(runner: Runner) -> None:
    wanted = {"name": "shop", "databases": {"postgres": {"extensions": ["vector"]}, "redis": {}}}
    spec, site = Spec.model_validate(wanted), runner.site(found_postgres())
    process = runner.start_ready(postgres(runner.spec(), site))
    assert runner.stop(process, postgres(spec, site).stop) == 0
    runner.start_ready(postgres(spec, site))
    with psycopg.connect(url(spec, site)) as connection:
        assert connection.execute("SELECT '[1,2]'::vector::text").fetchone() == ("[1,2]",)
    wanted["databases"]["postgres"]["extensions"] = ["no-such"]  # type: ignore[index]
    service = postgres(Spec.model_validate(wanted), site)
    runner.kill_everything()
    assert runner.prepare(service).wait(DEADLINE_S) == 1
    assert 'extension "no-such" is not available' in runner.log(service)


FURTHER = {"name": "shop", "databases": {"postgres": {"databases": ["orders", "mail"]}, "redis": {}}}


def with_further(runner: Runner, server: PostgresServer) -> tuple[Spec, Site]:
    """Two databases more, with their passwords; one of which programs have made already."""
    site = runner.site(server)
    more = ensure_secrets(runner.folder / "secrets", ["postgres.orders", "postgres.mail"])
    return Spec.model_validate(FURTHER), replace(site, secrets={**site.secrets, **more})


def assert_apart(spec: Spec, site: Site) -> None:
    """Each of the further databases belongs to its own role, who is nobody elsewhere."""
    files = connection_files(spec, site)
    for name in ("orders", "mail"):
        with psycopg.connect(files[f"database-url.{name}"], autocommit=True) as connection:
            assert facts(connection) == ("off", name)
            connection.execute("CREATE TABLE public.own (n int)")
            connection.execute("INSERT INTO public.own VALUES (1)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE DATABASE more")
    for stranger in (url(spec, site).removesuffix("daybreak"), files["database-url.mail"].removesuffix("mail")):
        with psycopg.connect(f"{stranger}orders") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM public.own")


@pytest.mark.parametrize("release", ["found", "older"])
def test_further_databases_each_have_a_role_of_their_own(runner: Runner, release: str) -> None:
    server = found_postgres() if release == "found" else older(found_postgres())
    plain = postgres(runner.spec(), runner.site(server))
    process = runner.start_ready(plain)
    assert runner.stop(process, plain.stop) == 0
    spec, site = with_further(runner, server)
    service = postgres(spec, site)
    process = runner.start_ready(service)
    assert_apart(spec, site)
    assert runner.stop(process, service.stop) == 0
    for name in ("postgres.orders", "postgres.mail"):
        assert site.secrets[name] not in runner.log(service)
        (runner.folder / "secrets" / name).unlink()
    spec, site = with_further(runner, server)
    runner.start_ready(postgres(spec, site))
    with psycopg.connect(connection_files(spec, site)["database-url.orders"]) as connection:
        assert connection.execute("SELECT n FROM own").fetchall() == [(1,)], "with its new password"


def test_where_the_schema_public_is_the_superuser_s_it_is_handed_over(runner: Runner) -> None:
    """As in a new database before PostgreSQL 15; there is none so old here, so a newer one is made to look like it."""
    server = found_postgres()
    spec, site = with_further(runner, server)
    service = postgres(spec, site)
    process = runner.start_ready(service)
    for name in ("daybreak", "orders"):
        with psycopg.connect(admin(site, name), autocommit=True) as connection:
            connection.execute("ALTER SCHEMA public OWNER TO daybreak_admin")
    assert runner.stop(process, service.stop) == 0
    Path(service.prepare[0].creates).unlink()
    argv = tuple(
        word.replace("-ge 15 ]", "-ge 99 ]").replace("< 150000", "< 990000") for word in service.prepare[0].argv
    )
    assert argv != service.prepare[0].argv
    runner.start_ready(replace(service, prepare=(replace(service.prepare[0], argv=argv),)))
    owner = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'public'"
    for name, role in (("daybreak", "daybreak"), ("orders", "orders"), ("postgres", "pg_database_owner")):
        with psycopg.connect(admin(site, name)) as connection:
            assert connection.execute(owner).fetchone() == (role,), name


def test_a_further_database_that_is_somebody_else_s_is_told(runner: Runner) -> None:
    server = found_postgres()
    plain = postgres(runner.spec(), runner.site(server))
    process = runner.start_ready(plain)
    with psycopg.connect(url(runner.spec(), runner.site(server)), autocommit=True) as connection:
        connection.execute("CREATE DATABASE orders")
    assert runner.stop(process, plain.stop) == 0
    spec, site = with_further(runner, server)
    service = postgres(spec, site)
    assert runner.prepare(service).wait(DEADLINE_S) == 1
    assert 'database "orders" already exists' in runner.log(service)
    assert "ALTER DATABASE orders OWNER TO orders" in runner.log(service)
    assert site.secrets["postgres.orders"] not in runner.log(service)


def test_the_passfile_and_the_database_s_character_set(
    served: tuple[Runner, Spec, Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, spec, site = served
    passfile = runner.folder / "pgpass"
    passfile.write_text(connection_files(spec, site)["pgpass"])
    passfile.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    place = f"host=127.0.0.1 port={site.ports['postgres']} user=daybreak dbname=daybreak"
    with psycopg.connect(place) as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
        assert connection.execute("SELECT lower('ÄÖ')").fetchone() == ("äö",)


def test_settings_of_the_user_are_in_force(served: tuple[Runner, Spec, Site]) -> None:
    _, spec, site = served
    with psycopg.connect(url(spec, site)) as connection:
        for name, value in (("work_mem", "17MB"), ("jit", "off"), ("max_connections", "33"), ("timezone", "UTC")):
            assert connection.execute(f"SHOW {name}").fetchone() == (value,)
        reset = "SELECT reset_val FROM pg_settings WHERE name = 'application_name'"
        assert connection.execute(reset).fetchone() == ("it's \\ here",)


@pytest.mark.parametrize("after_s", [0.02, 0.1, 0.25, 0.4, 0.48, 0.55])
def test_a_setup_that_was_killed_can_be_repeated(runner: Runner, after_s: float) -> None:
    spec, site = runner.spec(), runner.site(found_postgres())
    service = postgres(spec, site)
    process = runner.prepare(service)
    time.sleep(after_s)  # where exactly the kill strikes is up to chance; that is the point
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    runner.start_ready(service)
    write_row(url(spec, site), 1)
    assert [path.name for path in Path(site.data).iterdir()] == ["postgres"]


def test_a_busy_orphan_of_a_killed_server_does_not_stop_the_next(runner: Runner) -> None:
    spec, site = runner.spec(), runner.site(found_postgres())
    service = postgres(spec, site)
    process = runner.start_ready(service)

    def busy() -> None:
        try:
            with psycopg.connect(url(spec, site)) as connection:
                connection.execute(BUSY)
        except psycopg.Error:
            pass

    thread = threading.Thread(target=busy)
    thread.start()
    # What ends meanwhile, such as a process of autovacuum, has no command line.
    until(lambda: any("DO" in procfs.command_line(p.pid) for p in runner.processes()), what="the query runs")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: len(runner.processes()) == 1, what="only the busy one is left")
    (orphan,) = runner.processes()

    runner.start_ready(service)
    assert has_gone(orphan)
    thread.join(DEADLINE_S)
    assert "ending processes of a server that was killed" in runner.log(service)


def test_a_lock_file_of_nobody_does_not_stop_the_server(runner: Runner) -> None:
    spec, site = runner.spec(), runner.site(found_postgres())
    service = postgres(spec, site)
    process = runner.start_ready(service)
    (socket,) = Path(site.runtime).glob(".s.PGSQL.*.lock")
    for lock, content in itertools.product(
        (Path(site.data) / "postgres/postmaster.pid", socket), ("stranger", "empty", "gone")
    ):
        text = lock.read_text()
        runner.stop(process, service.stop)
        # After a boot the number may belong to any program; an empty file is what a full disk leaves, or a kill between
        # its making and its writing.
        lock.write_text(
            {"stranger": text.replace(str(process.pid), str(os.getpid()), 1), "empty": "", "gone": text}[content]
        )
        process = runner.start_ready(service)


def test_a_second_server_on_the_same_data_is_refused_and_harms_nothing(runner: Runner) -> None:
    spec, site = runner.spec(), runner.site(found_postgres())
    service = postgres(spec, site)
    runner.start_ready(service)
    write_row(url(spec, site), 1)
    second = runner.start(service)
    assert second.wait(DEADLINE_S) == 1
    assert rows(url(spec, site)) == [1]


def test_another_database_and_another_password_are_set_up_in_the_same_data(runner: Runner) -> None:
    spec, site = runner.spec(), runner.site(found_postgres())
    first = postgres(spec, site)
    process = runner.start_ready(first)
    write_row(url(spec, site), 1)
    runner.stop(process, first.stop)

    (runner.folder / "secrets/postgres").unlink()
    changed, site = runner.spec("other"), runner.site(found_postgres())
    second = postgres(changed, site)
    assert second.prepare[0].creates != first.prepare[0].creates
    runner.start_ready(second)
    write_row(url(changed, site), 2)
    assert rows(url(changed, site)) == [2]
    assert rows(url(spec, site)) == [1]


def test_a_setup_that_fails_says_why(runner: Runner) -> None:
    server = found_postgres()
    service = postgres(runner.spec(), runner.site(server))
    (runner.folder / "data/postgres").mkdir()
    (runner.folder / "data/postgres/letters").write_text("not a database")
    assert runner.prepare(service).wait(DEADLINE_S) != 0
    assert "not empty" in runner.log(service).lower()
    assert (runner.folder / "data/postgres/letters").exists()


def test_redis_keeps_its_keys_through_kill_and_stop(runner: Runner) -> None:
    site = runner.site()
    if site.redis is None:
        pytest.skip("there is no Redis here")
    service = redis(runner.spec(), site)
    socket_path = f"{site.runtime}/redis.sock"
    client = redis_client.Redis.from_url(connection_files(runner.spec(), site)["redis-url"])
    process = runner.start(service)
    until(lambda: pings(socket_path, site.secrets["redis"]), what="ready")
    client.set("one", "1")
    assert b"DAYBREAK_INSTANCE=i-1" in Path(f"/proc/{process.pid}/environ").read_bytes(), "found again by its marker"
    assert site.secrets["redis"] not in " ".join(psutil.Process(process.pid).cmdline())
    assert Path(socket_path).stat().st_mode & 0o777 == 0o700
    client.close()
    runner.kill_everything()

    process = runner.start(service)
    until(lambda: pings(socket_path, site.secrets["redis"]), what="ready after kill -9")
    assert client.get("one") == b"1"
    port = site.ports["redis"]
    for password in ("nonsense", None):
        stranger = redis_client.Redis(port=port, password=password, retry=Retry(NoBackoff(), 0))
        with pytest.raises(redis_client.AuthenticationError):
            stranger.get("one")
        stranger.close()
    client.close()
    assert runner.stop(process, service.stop) == 0
    assert site.secrets["redis"] not in runner.log(service)


def pings(path: str, password: str) -> bool:
    """What RedisCheck does: a server that still loads its data answers, but not with this."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return False
        client.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        with client.makefile("rb") as answers:
            return [answers.readline() for _ in range(2)] == [b"+OK\r\n", b"+PONG\r\n"]


# --- own users, several databases, scripts ----------------------------------------------------------------------------

OWN = {
    "user": "shop",
    "database": "store",
    "databases": {"orders": {"user": "clerk", "extensions": ["vector"]}},
    "roles": {"report": {"member_of": ["pg_read_all_data"]}},
}


def own(runner: Runner, server: PostgresServer, **written: object) -> tuple[Spec, Site]:
    """The databases of `OWN`, with their passwords and scripts."""
    spec = Spec.model_validate({"name": "shop", "databases": {"postgres": OWN | written, "redis": {}}})
    site = runner.site(server)
    names = passwords_of(spec, containers=False)
    secrets = {**site.secrets, **ensure_secrets(runner.folder / "secrets", [*names, "ray-token"])}
    return spec, replace(site, secrets=secrets, scripts=find_scripts(spec, runner.folder))


def settle(service: Service) -> None:
    assert service.settle
    done = subprocess.run(service.settle.argv, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr


def as_role(spec: Spec, site: Site, role: str, database: str) -> psycopg.Connection[tuple[object, ...]]:
    wanted = spec.databases.postgres
    assert wanted
    password = site.secrets[setup_of(wanted).roles[role]]
    place = f"host=127.0.0.1 port={site.ports['postgres']} dbname={database} user={role}"
    return psycopg.connect(place, password=password, autocommit=True)


def test_scripts_run_once_and_what_they_make_is_the_application_s(runner: Runner) -> None:
    folder = runner.folder / "init"
    folder.mkdir()
    (folder / "1.sql").write_text("CREATE TABLE item (n int);\nINSERT INTO item VALUES (1);\n")
    (folder / "2.sql.gz").write_bytes(gzip.compress(b"INSERT INTO item VALUES (2);\n"))
    (folder / "3.sh").write_text('psql -d postgres -c "CREATE DATABASE extra"\npsql -c "GRANT ALL ON item TO report"\n')
    broken = folder / "9.sql"
    broken.write_text("SELECT 1;\nSELECT nonsense;\n")
    spec, site = own(runner, found_postgres(), init="init", settings={"max_connections": 33})
    assert runner.prepare(postgres(spec, site)).wait(DEADLINE_S) == 1
    last = runner.log(postgres(spec, site)).splitlines()[-1]
    assert last.startswith(f"the init script {broken} could not run to its end (exit code 3): psql:{broken}:2: ERROR:")
    assert not (runner.folder / "data/postgres").exists(), "the data does not count as made"
    broken.unlink()
    spec, site = own(runner, found_postgres(), init="init", settings={"max_connections": 33})
    service = postgres(spec, site)
    process = runner.start_ready(service)
    assert [path.name for path in Path(site.data).iterdir()] == ["postgres"]
    with as_role(spec, site, "shop", "store") as connection:
        assert connection.execute("SELECT n FROM item ORDER BY n").fetchall() == [(1,), (2,)]
        connection.execute("ALTER TABLE item ADD more int")
        assert facts(connection) == ("off", "shop")
    with as_role(spec, site, "shop", "extra") as connection:
        assert facts(connection) == ("off", "shop")
    assert runner.stop(process, service.stop) == 0
    (folder / "1.sql").write_text("SELECT nonsense;\n")
    runner.start_ready(service)
    assert runner.log(service).count("init: ") == 3 + 4, "the data is there, so nothing runs again"


@pytest.mark.parametrize("release", ["found", "older"])
def test_what_changes_in_the_spec_changes_in_the_server_that_runs(runner: Runner, release: str) -> None:
    server = found_postgres() if release == "found" else older(found_postgres())
    spec, site = own(runner, server)
    runner.start_ready(postgres(spec, site))
    with as_role(spec, site, "shop", "store") as connection:
        connection.execute("CREATE TABLE item (n int)")
    (runner.folder / "secrets/postgres").write_text("it's \\ another\n")
    changed = OWN["databases"] | {"ledger": {}}  # type: ignore[operator]
    spec, site = own(runner, server, user="boss", databases=changed, extensions=["vector"])
    settle(postgres(spec, site))
    settle(postgres(spec, site))
    with as_role(spec, site, "boss", "store") as connection:
        connection.execute("INSERT INTO item VALUES (1)")
        connection.execute("ALTER TABLE item ADD more int")
        assert connection.execute("SELECT '[1]'::vector::text, current_user").fetchone() == ("[1]", "boss")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE ROLE more")
    with as_role(spec, site, "ledger", "ledger") as connection:
        assert facts(connection) == ("off", "ledger")
    with as_role(spec, site, "report", "store") as connection:
        assert connection.execute("SELECT n FROM item").fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM item")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"host=127.0.0.1 port={site.ports['postgres']} dbname=store user=boss password=x").close()
    assert site.secrets["postgres"] not in runner.log(postgres(spec, site))

"""The real database servers, started straight from their Service values: kept data, crashes, passwords, root."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import psycopg
import pytest
import redis as redis_client
from redis.backoff import NoBackoff
from redis.retry import Retry

from daybreak.machine import accounts
from daybreak.machine.databases import find_postgres, find_redis
from daybreak.machine.ports import free_ports
from daybreak.machine.secrets import ensure_secrets
from daybreak.services.databases.connections import connection_files
from daybreak.services.databases.processes import postgres, redis
from daybreak.services.service import CommandCheck, Service, StopPolicy
from daybreak.services.site import PostgresServer, RayInstall, Site
from daybreak.spec.model import Spec
from tests.helpers import has_gone, until

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
        secrets = ensure_secrets(self.folder / "secrets", ["postgres", "redis"])
        book = self.folder / "test-ports"
        if not book.exists():
            ports = free_ports(["postgres", "redis"], spread=str(self.folder))
            book.write_text(f"{ports['postgres']} {ports['redis']}")
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
        until(lambda: self.ready(service), what=f"{service.name} is ready")
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


def test_a_wrong_password_is_refused_on_both_ways(runner: Runner) -> None:
    spec, site = runner.spec(), runner.site(found_postgres())
    service = postgres(spec, site)
    runner.start_ready(service)
    right = site.secrets["postgres"]
    for host in ("127.0.0.1", site.runtime):
        place = f"host={host} port={site.ports['postgres']} user=daybreak dbname=daybreak connect_timeout=5"
        for wrong in ("nonsense", ""):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(f"{place} password='{wrong}' passfile=/nonexistent").close()
        psycopg.connect(f"{place} password={right}").close()
    assert (Path(site.runtime) / f".s.PGSQL.{site.ports['postgres']}").stat().st_mode & 0o777 == 0o700


def test_the_passfile_and_the_database_s_character_set(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, site = runner.spec(), runner.site(found_postgres())
    service = postgres(spec, site)
    runner.start_ready(service)
    passfile = runner.folder / "pgpass"
    passfile.write_text(connection_files(spec, site)["pgpass"])
    passfile.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    place = f"host=127.0.0.1 port={site.ports['postgres']} user=daybreak dbname=daybreak"
    with psycopg.connect(place) as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
        assert connection.execute("SELECT lower('ÄÖ')").fetchone() == ("äö",)


def test_settings_of_the_user_are_in_force(runner: Runner) -> None:
    spec = runner.spec(work_mem="17MB", jit=False, max_connections=33, application_name="it's \\ here")
    site = runner.site(found_postgres())
    service = postgres(spec, site)
    runner.start_ready(service)
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
    until(lambda: any("DO" in " ".join(p.cmdline()) for p in runner.processes()), what="the query runs")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: len(runner.processes()) == 1, what="only the busy one is left")
    (orphan,) = runner.processes()

    runner.start_ready(service)
    assert has_gone(orphan)
    thread.join(DEADLINE_S)
    assert "ending processes of a server that was killed" in runner.log(service)


@pytest.mark.parametrize("content", ["stranger", "empty", "gone"])
def test_a_lock_file_of_nobody_does_not_stop_the_server(runner: Runner, content: str) -> None:
    spec, site = runner.spec(), runner.site(found_postgres())
    service = postgres(spec, site)
    process = runner.start_ready(service)
    lock = Path(site.data) / "postgres/postmaster.pid"
    text = lock.read_text()
    runner.stop(process, service.stop)
    # After a boot the number may belong to any program; an empty file is what a full disk leaves.
    lock.write_text(
        {"stranger": text.replace(str(process.pid), str(os.getpid()), 1), "empty": "", "gone": text}[content]
    )
    runner.start_ready(service)


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
    assert second.fingerprint() != first.fingerprint()
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
    until(lambda: pings(socket_path), what="ready")
    client.set("one", "1")
    assert b"DAYBREAK_INSTANCE=i-1" in Path(f"/proc/{process.pid}/environ").read_bytes(), "found again by its marker"
    assert site.secrets["redis"] not in " ".join(psutil.Process(process.pid).cmdline())
    assert Path(socket_path).stat().st_mode & 0o777 == 0o700
    client.close()
    runner.kill_everything()

    process = runner.start(service)
    until(lambda: pings(socket_path), what="ready after kill -9")
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


def pings(path: str) -> bool:
    """What RedisCheck does."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return False
        client.sendall(b"PING\r\n")
        return client.recv(64).startswith((b"+PONG", b"-NOAUTH"))

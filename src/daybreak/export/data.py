"""The databases: official images, with the spec's settings, their data in named volumes. Pure."""

from __future__ import annotations

from typing import Any

from daybreak.export.files import File
from daybreak.export.parts import Part, common, healthcheck, limits, published
from daybreak.export.target import SECRETS, Target
from daybreak.services.base import Tier
from daybreak.services.connections import POSTGRES, REDIS, USER
from daybreak.services.database_texts import Settings, redis_text
from daybreak.services.databases import POSTGRES_FIXED, REDIS_FIXED, merge_settings
from daybreak.spec.model import Spec

POSTGRES_DATA = "/var/lib/postgresql/data"
REDIS_DATA = "/data"
REDIS_CONFIG = "/etc/daybreak/redis.conf"
INITDB = "--encoding=UTF8 --locale=C --data-checksums"
POSTGRES_SETTINGS = {"timezone": "UTC", "log_timezone": "UTC", "password_encryption": "scram-sha-256"}
REDIS_SETTINGS: Settings = {"appendonly": True, "appendfsync": "everysec", "save": ("3600 1", "300 100", "60 10000")}
# Parallel queries share memory; an engine gives 64 MB.
SHM = "256m"
# The password comes through a pipe: it is in no file of the container, no argument and no environment.
REDIS_START = f"""\
exec docker-entrypoint.sh redis-server - <<END
include {REDIS_CONFIG}
requirepass $(cat {SECRETS}/{REDIS})
END
"""
REDIS_PING = f'REDISCLI_AUTH="$(cat {SECRETS}/{REDIS})" redis-cli ping | grep -q PONG'


def postgres(spec: Spec, target: Target) -> Part | None:
    """PostgreSQL. Raises SpecError for a setting that cannot be."""
    wanted = spec.databases.postgres
    if wanted is None:
        return None
    settings = merge_settings(POSTGRES, POSTGRES_SETTINGS, wanted.settings, POSTGRES_FIXED, r"[a-z_][a-z0-9_.]*")
    # By its address: while the image makes the database, a server that is not meant for others has the socket.
    ready = ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", USER, "-d", wanted.database]
    body = {
        "image": wanted.image,
        "command": [
            POSTGRES,
            *(word for name, value in settings.items() for word in ("-c", f"{name}={_plain(value)}")),
        ],
        "environment": {
            "POSTGRES_USER": USER,
            "POSTGRES_DB": wanted.database,
            "POSTGRES_PASSWORD_FILE": f"{SECRETS}/{POSTGRES}",
            "POSTGRES_INITDB_ARGS": INITDB,
        },
        "secrets": [POSTGRES],
        "volumes": [f"{POSTGRES}:{POSTGRES_DATA}"],
        "shm_size": SHM,
        # The fast shutdown writes a checkpoint, which may take its time.
        "stop_signal": "SIGINT",
        "stop_grace_period": "120s",
        "healthcheck": healthcheck(spec.health, ready, start_interval=target.start_interval),
        **_published(wanted.port, 5432),
        **limits(wanted.memory, wanted.cpus),
        **common(spec, Tier.DATA),
    }
    return Part(POSTGRES, "Its data is in a volume: it outlives the container.", body)


def redis(spec: Spec, target: Target) -> Part | None:
    """Redis. Its settings are checked by `redis_file`."""
    wanted = spec.databases.redis
    if wanted is None:
        return None
    body = {
        "image": wanted.image,
        "command": ["sh", "-c", REDIS_START],
        "secrets": [REDIS],
        "volumes": [f"{REDIS}:{REDIS_DATA}", f"./config/redis.conf:{REDIS_CONFIG}:ro"],
        "stop_grace_period": "60s",
        "healthcheck": healthcheck(spec.health, ["CMD-SHELL", REDIS_PING], start_interval=target.start_interval),
        **_published(wanted.port, 6379),
        **limits(wanted.memory, wanted.cpus),
        **common(spec, Tier.DATA),
    }
    return Part(REDIS, "Its data is in a volume: it outlives the container.", body)


def redis_file(spec: Spec) -> list[File]:
    """Redis' configuration, without its password. Raises SpecError for a setting that cannot be."""
    wanted = spec.databases.redis
    if wanted is None:
        return []
    settings = merge_settings(REDIS, REDIS_SETTINGS, wanted.settings, REDIS_FIXED, r"[a-z][a-z0-9-]*")
    return [File("config/redis.conf", redis_text(settings))]


def _published(host_port: int | None, port: int) -> dict[str, Any]:
    """Only where the spec names a port; the other containers need none."""
    return {"ports": [published("127.0.0.1", host_port, port)]} if host_port else {}


def _plain(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)

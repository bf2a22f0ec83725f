"""What all services of a compose file are made of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from daybreak.docker import labels
from daybreak.docker.secret_env import SECRETS as ENV_SECRETS
from daybreak.docker.secret_env import with_secrets
from daybreak.extras.export.files import File
from daybreak.extras.export.target import PREFIX
from daybreak.services.databases.containers import SETUP
from daybreak.services.service import ConfigFile, Mount, Secret, Service
from daybreak.spec.model import Health, Spec
from daybreak.spec.quantity_types import MIB

START_INTERVAL = "500ms"
LOG_SIZE, LOG_FILES = "10m", "3"


@dataclass(frozen=True)
class Part:
    """One service of the file: its name, the comment above it, and its content as Compose has it."""

    name: str
    comment: str
    body: Mapping[str, Any]


def common(spec: Spec, tier: str, restart: str = "unless-stopped") -> dict[str, Any]:
    """What every service has."""
    return {
        "profiles": [str(tier)],
        "networks": ["cluster"],
        "restart": restart,
        "logging": {"driver": "json-file", "options": {"max-size": LOG_SIZE, "max-file": LOG_FILES}},
        "labels": {labels.EXPORTED: spec.name, labels.EXPORTED_TIER: str(tier)},
    }


def healthcheck(
    policy: Health, test: Sequence[str], *, start_interval: bool, start_period_s: float | None = None
) -> dict[str, Any]:
    """The spec's health policy with this test."""
    found = {
        "test": list(test),
        "interval": duration(policy.interval),
        "timeout": duration(policy.timeout),
        "retries": policy.retries,
        "start_period": duration(policy.start_period if start_period_s is None else start_period_s),
    }
    # A probe every `interval` would find out seconds late that a container is ready.
    return {**found, "start_interval": START_INTERVAL} if start_interval else found


def published(host: str, host_port: int, port: int) -> dict[str, Any]:
    """A port that is reachable at an address of the machine."""
    return {"target": port, "published": str(host_port), "host_ip": host, "protocol": "tcp"}


def limits(memory_bytes: int | None, cpus: float | None) -> dict[str, Any]:
    """The most memory and CPUs of a container; nothing where neither is limited."""
    found: dict[str, str] = {}
    if cpus:
        found["cpus"] = f"{cpus:g}"
    if memory_bytes is not None:
        found["memory"] = size(memory_bytes)
    return {"deploy": {"resources": {"limits": found}}} if found else {}


def needs(conditions: Mapping[str, str], *, tier: str, tiers: Mapping[str, str]) -> dict[str, Any]:
    """`depends_on`. What is in another tier need not be there: a tier can be started alone."""
    found: dict[str, Any] = {}
    for name, condition in conditions.items():
        found[name] = {"condition": condition}
        if tiers[name] != tier:
            found[name]["required"] = False
    return found


def duration(value_s: float) -> str:
    """As Compose reads it."""
    return f"{value_s:g}s" if value_s >= 1 else f"{1000 * value_s:g}ms"


def size(count: int) -> str:
    """Whole mebibytes where it is that, else bytes."""
    return f"{count // MIB}m" if count % MIB == 0 else f"{count}b"


def escaped(value: Any) -> Any:
    """Texts as Compose must have them: a `$` would be a variable."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [escaped(item) for item in value]
    return value


def contained(spec: Spec, service: Service, *, start_interval: bool) -> dict[str, Any]:
    """A service with a container as the docker backend would run it, without what only a keeper needs."""
    container = service.container
    assert container
    held = {name: PurePosixPath(value.path).name for name, value in service.env.items() if isinstance(value, Secret)}
    files = {path: PurePosixPath(secret.path).name for path, secret in container.secrets.items()}
    files |= {f"{ENV_SECRETS}/{name}": file for name, file in held.items()}
    found: dict[str, Any] = {
        "image": container.image,
        "entrypoint": [*with_secrets(sorted(held)), *(container.entrypoint or ())],
        "command": list(service.argv),
        "environment": {key: value for key, value in service.env.items() if isinstance(value, str) and key != SETUP},
        "secrets": [{"source": name, "target": path} for path, name in files.items()],
        "volumes": [
            *(_volume(mount) for mount in container.mounts),
            *(f"./{file_of(service, file).path}:{file.path}:ro" for file in service.files),
        ],
        "ports": [published(port.host, port.host_port, port.port) for port in container.published],
        "shm_size": size(container.shm_bytes) if container.shm_bytes else None,
        "stop_signal": service.stop.signal,
        "stop_grace_period": duration(service.stop.grace_s),
        **limits(container.memory_bytes, container.cpus),
        **common(spec, service.tier),
    }
    if container.health:
        found["healthcheck"] = healthcheck(spec.health, ["CMD", *container.health], start_interval=start_interval)
    return {key: value for key, value in found.items() if value not in ([], {}, None)}


def _volume(mount: Mount) -> str:
    return f"{mount.source.removeprefix(f'{PREFIX}-')}:{mount.target}" + (":ro" if mount.read_only else "")


def file_of(service: Service, file: ConfigFile) -> File:
    """A configuration file beside the compose file."""
    return File(f"config/{service.name}/{PurePosixPath(file.path).name}", file.text)

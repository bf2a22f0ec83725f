"""What all services of a compose file are made of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daybreak.spec.model import Health, Spec
from daybreak.spec.units import MIB

START_INTERVAL = "500ms"
LABELS = "dev.daybreak"
LOG_SIZE, LOG_FILES = "10m", "3"


@dataclass(frozen=True)
class Part:
    """One service of the file: its name, the comment above it, and its content as Compose has it."""

    name: str
    comment: str
    body: Mapping[str, Any]


def common(spec: Spec, tier: str, restart: str = "unless-stopped") -> dict[str, Any]:
    """What every service has. `daybreak.cluster` is no label here: what has it is daybreak's own to delete."""
    return {
        "profiles": [str(tier)],
        "networks": ["cluster"],
        "restart": restart,
        "logging": {"driver": "json-file", "options": {"max-size": LOG_SIZE, "max-file": LOG_FILES}},
        "labels": {f"{LABELS}.compose": spec.name, f"{LABELS}.tier": str(tier)},
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

"""What the engine is asked to make of a service: the configuration of its container. Pure.

The form is the engine's own, so that nothing of Docker's Python package is needed here. Engine times are nanoseconds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from daybreak.backends.base import Handle
from daybreak.docker import labels
from daybreak.docker.secret_env import with_secrets
from daybreak.services.service import Container, HealthPolicy, Joined, Mount, MountKind, Secret, Service

# From this version on the engine checks more often while a container starts.
HAS_START_INTERVAL = (1, 44)
START_INTERVAL_S = 0.5
NANOSECONDS = 1_000_000_000
# Copied into the service's own log as it is written, so the engine's copy serves `docker logs` alone.
LOG = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Owner:
    """Whose containers these are: the cluster's name, and its state folder, which tells it from others of its name."""

    cluster: str
    root: str

    @property
    def labels(self) -> dict[str, str]:
        return {labels.CLUSTER: self.cluster, labels.ROOT: self.root}


@dataclass(frozen=True)
class ImageFacts:
    """What an image brings, where it matters: see `needs_image`."""

    env: Mapping[str, str]
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()

    @classmethod
    def of(cls, inspected: Mapping[str, Any]) -> ImageFacts:
        """From the engine's answer about the image."""
        config = inspected.get("Config") or {}
        pairs = (line.partition("=") for line in config.get("Env") or ())
        return cls(
            {name: value for name, _, value in pairs},
            tuple(config.get("Entrypoint") or ()),
            tuple(config.get("Cmd") or ()),
        )


NO_FACTS = ImageFacts({})


def needs_image(service: Service, container: Container) -> bool:
    """Whether the image must be asked before the container can be made."""
    joined = any(isinstance(value, Joined) for value in service.env.values())
    return joined or (container.entrypoint is None and bool(secret_names(service)))


def secret_names(service: Service) -> list[str]:
    """The variables that hold secrets."""
    return sorted(name for name, value in service.env.items() if isinstance(value, Secret))


def unusable_names(service: Service) -> list[str]:
    """Variables with secrets that no shell could set."""
    return [name for name in secret_names(service) if not _SHELL_NAME.fullmatch(name)]


def container_name(cluster: str, service: str, generation: int, suffix: str) -> str:
    """What `docker ps` shows."""
    return f"daybreak-{cluster}-{service}-g{generation}-{suffix}"


def config(
    service: Service,
    container: Container,
    handle: Handle,
    owner: Owner,
    facts: ImageFacts = NO_FACTS,
    *,
    start_interval: bool = False,
) -> dict[str, Any]:
    """The body of the request that makes the container."""
    entrypoint, cmd = command(service, container, facts)
    made: dict[str, Any] = {
        "Image": container.image,
        "Cmd": list(cmd) or None,
        "Env": [f"{name}={value}" for name, value in environment(service, handle, facts).items()],
        "Labels": container_labels(container, handle, owner),
        "User": container.user,
        "WorkingDir": service.cwd,
        "StopSignal": service.stop.signal,
        "StopTimeout": math.ceil(service.stop.grace_s),
        "Healthcheck": health(container.health, service.health, start_interval=start_interval),
        "HostConfig": host_config(container, {**owner.labels, labels.SERVICE: service.name}),
    }
    if entrypoint is not None:
        made["Entrypoint"] = list(entrypoint)
    if container.network is not None:
        # Its own name rather than half an id: this is what Ray and logs show.
        made["Hostname"] = service.name
        made["ExposedPorts"] = {f"{port.port}/tcp": {} for port in container.published}
        made["NetworkingConfig"] = {"EndpointsConfig": {container.network.name: _endpoint(container.address)}}
    return made


def container_labels(container: Container, handle: Handle, owner: Owner) -> dict[str, str]:
    """All that a later keeper needs to adopt the container: it keeps no record of its own."""
    found = {
        **owner.labels,
        labels.SERVICE: handle.service,
        labels.TIER: handle.tier,
        labels.INSTANCE: handle.instance,
        labels.GENERATION: str(handle.generation),
        labels.HANDLE: json.dumps(handle.to_json(), separators=(",", ":")),
    }
    return found | ({labels.MEMORY: str(container.memory_bytes)} if container.memory_bytes else {})


def command(
    service: Service, container: Container, facts: ImageFacts
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Entrypoint (None keeps the image's) and arguments; secrets are read by a shell in front of the program."""
    names = secret_names(service)
    if not names:
        return container.entrypoint, service.argv
    # An entrypoint of our own takes the image's arguments away, too.
    own = container.entrypoint is not None
    entrypoint = container.entrypoint if container.entrypoint is not None else facts.entrypoint
    argv = service.argv or (() if own else facts.cmd)
    return (), (*with_secrets(names), *entrypoint, *argv)


def environment(service: Service, handle: Handle, facts: ImageFacts) -> dict[str, str]:
    """Without secrets, and with nothing of this machine's: a container begins with what its image has."""
    found = {"DAYBREAK_SERVICE": handle.service, "DAYBREAK_INSTANCE": handle.instance}
    for name, value in service.env.items():
        match value:
            case str():
                found[name] = value
            case Joined():
                rest = facts.env.get(name)
                found[name] = f"{value.value}{value.separator}{rest}" if rest else value.value
            case Secret():
                pass
    return found


def health(test: tuple[str, ...] | None, policy: HealthPolicy, *, start_interval: bool) -> dict[str, Any]:
    """The check that the engine makes; None keeps the image's own check, at our pace."""
    if test == ():
        return {"Test": ["NONE"]}
    found: dict[str, Any] = {
        "Interval": _nanoseconds(policy.interval_s),
        "Timeout": _nanoseconds(policy.timeout_s),
        "Retries": policy.retries,
        "StartPeriod": _nanoseconds(policy.start_period_s),
    }
    if test is not None:
        found["Test"] = ["CMD", *test]
    if start_interval:
        found["StartInterval"] = _nanoseconds(START_INTERVAL_S)
    return found


def host_config(container: Container, volume_labels: Mapping[str, str]) -> dict[str, Any]:
    """What the container gets of this machine; the labels go to volumes that are made for it."""
    found: dict[str, Any] = {
        "NetworkMode": container.network.name if container.network else "host",
        # The keeper restarts: it knows what needs what, backs off, and tells why. Two that restart would race.
        "RestartPolicy": {"Name": "no"},
        "LogConfig": LOG,
        "Init": container.init,
        "Mounts": [_mount(mount, volume_labels) for mount in container.mounts],
    }
    if container.network is not None:
        found["PortBindings"] = dict(_bindings(container))
    if container.shm_bytes is not None:
        found["ShmSize"] = container.shm_bytes
    if container.memory_bytes is not None:
        # No swap on top: a service that swaps is slower than one that is replaced.
        found["Memory"] = found["MemorySwap"] = container.memory_bytes
    if container.cpus is not None:
        found["NanoCpus"] = round(container.cpus * NANOSECONDS)
    if container.gpus:
        # What `docker run --gpus device=...` asks for.
        found["DeviceRequests"] = [{"Driver": "", "DeviceIDs": list(container.gpus), "Capabilities": [["gpu"]]}]
    return found


def _endpoint(address: str) -> dict[str, Any]:
    return {"IPAMConfig": {"IPv4Address": address}} if address else {}


def _bindings(container: Container) -> Iterator[tuple[str, list[dict[str, str]]]]:
    for port in dict.fromkeys(published.port for published in container.published):
        yield (
            f"{port}/tcp",
            [{"HostIp": p.host, "HostPort": str(p.host_port)} for p in container.published if p.port == port],
        )


def _mount(mount: Mount, volume_labels: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"Type": str(mount.kind), "Target": mount.target, "ReadOnly": mount.read_only}
    match mount.kind:
        case MountKind.BIND:
            found["Source"] = mount.source
        case MountKind.VOLUME:
            # Made with these labels where it is missing; one that exists keeps its content and its labels.
            found |= {"Source": mount.source, "VolumeOptions": {"Labels": dict(volume_labels)}}
        case MountKind.TMPFS:
            found["TmpfsOptions"] = {"SizeBytes": mount.size_bytes} if mount.size_bytes else {}
    return found


def _nanoseconds(seconds: float) -> int:
    return round(seconds * NANOSECONDS)

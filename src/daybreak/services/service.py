"""What a service is: values only. No process, no socket and no clock is touched here.

A service passes its *gates* in order while it starts; the last one passed means ready. Other services may need a
gate instead of the whole service, so that what is independent starts as early as it can.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from daybreak.services.slots import Slot
from daybreak.states import Stage


class Tier(StrEnum):
    """What a service belongs to. `restart` replaces `app`; `warm` is the template that its processes come from."""

    DATA = "data"
    APP = "app"
    EDGE = "edge"
    OBSERVE = "observe"
    WARM = "warm"


@dataclass(frozen=True)
class Secret:
    """A value that lives in a file with mode 0600 and is read only when a process is started with it."""

    path: str


@dataclass(frozen=True)
class Joined:
    """A value put in front of what the environment already holds under that name, such as a search path."""

    value: str
    separator: str


EnvValue = str | Secret | Joined


@dataclass(frozen=True)
class TcpCheck:
    """Ready when a TCP connection is accepted."""

    host: str
    port: int


@dataclass(frozen=True)
class HttpCheck:
    """Ready when a GET answers with a status in `accept` (inclusive) and, where given, a body holding `contains`,
    and without `lacks`.

    With TLS the certificate is verified, unless `any_certificate`: one of a public name, or that nobody has signed, is
    no reason to call what answers on this machine unwell.
    """

    url: str
    accept: tuple[int, int] = (200, 299)
    contains: str | None = None
    bearer: Secret | None = None
    any_certificate: bool = False
    lacks: str | None = None


@dataclass(frozen=True)
class CommandCheck:
    """Ready when the command exits with 0; it runs with the service's own environment and folder. `never` is the exit
    code that says that it cannot come to that."""

    argv: tuple[str, ...]
    never: int | None = None


@dataclass(frozen=True)
class RedisCheck:
    """Ready when the server at a Unix socket, or at `host` and `port`, answers PING; one that is still loading its data
    is not.

    Without its password a loading server cannot be told from a ready one.
    """

    socket_path: str
    password: Secret | None = None
    host: str = ""
    port: int = 0


@dataclass(frozen=True)
class DeployCheck:
    """Ready when a service's status file has reached `stage`."""

    status_file: str
    stage: Stage


@dataclass(frozen=True)
class ServeCheck:
    """Ready when Serve's proxy has the routes in `routes` and is healthy, which HAProxy is with a replica to send to.

    Asks `<base_url>/-/routes` and `<base_url>/-/healthz`; any certificate will do.
    """

    base_url: str
    routes: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineHealthCheck:
    """Ready when the engine calls the service's container healthy: by its own `health` command or by the image's."""


@dataclass(frozen=True)
class GreetingCheck:
    """Ready when a server of HTTP/2, as every gRPC server is, greets back, or hangs up (it may want TLS).

    Accepting connections is not enough: the system does that for a process that hangs. `what` names the server.
    """

    host: str
    port: int
    what: str


@dataclass(frozen=True)
class EveryCheck:
    """Ready when all of `checks` are; the first that is not says why."""

    checks: tuple[HttpCheck | TcpCheck | GreetingCheck, ...]


Check = (
    TcpCheck
    | HttpCheck
    | CommandCheck
    | RedisCheck
    | DeployCheck
    | ServeCheck
    | EngineHealthCheck
    | GreetingCheck
    | EveryCheck
)


@dataclass(frozen=True)
class Gate:
    """A named phase of starting: passed when its check is ready for the first time."""

    name: str
    check: Check


# The gate that every service passes first: its process exists.
STARTED = "started"


@dataclass(frozen=True)
class Need:
    """This service starts after another one has passed `gate` (its last one where None).

    `bind` shares fate: when the needed service is replaced, so is this one.
    `order_only` asks for the order but not for success: a needed service that failed or is absent blocks nothing.
    `outlives`: though bound, it goes on while the needed service is away and comes back with what it knew.
    """

    service: str
    gate: str | None = None
    bind: bool = False
    order_only: bool = False
    outlives: bool = False

    def __str__(self) -> str:
        """`service` or `service.gate`."""
        return f"{self.service}.{self.gate}" if self.gate else self.service


@dataclass(frozen=True)
class HealthPolicy:
    """How a running service is watched; seconds throughout."""

    check: Check | None = None
    interval_s: float = 5.0
    timeout_s: float = 5.0
    retries: int = 12
    start_period_s: float = 30.0


class Restart(StrEnum):
    """What the keeper does when a service ends by itself."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class Run(StrEnum):
    """How long a service is to run: for good; once, to its end, before what needs it; or to its end now and then."""

    STEADY = "steady"
    ONCE = "once"
    TIMED = "timed"


@dataclass(frozen=True)
class Schedule:
    """When something runs: a cron line, in a time zone; the machine's where None. A run may take `timeout_s`, or as
    long as it will."""

    cron: str
    timezone: str | None = None
    timeout_s: float | None = None


@dataclass(frozen=True)
class StopPolicy:
    """How a service's processes are ended: signal, `grace_s`, then kill.

    `main_only` sends the signal to the main process alone, which ends its own children (a database).
    Processes whose command line holds one of `afterwards`, or begins with it where it has a `^` in front, are not
    asked: they have nothing to save, and are killed as soon as the others have gone. `alone` leaves out every process
    but the main one: what it has started belongs to others. `working_name` and `working_folder` find further processes
    that belong to the service, by both: PostgreSQL's children leave its session and overwrite their environment.
    `left_behind_grace_s` counts instead where a part that the others cannot do without has ended by itself: a raylet
    that has lost its GCS does not end when asked. `deletes` are folders with what it knows, which ends with it; what
    has ended by itself may come back, and keeps them.
    """

    signal: str = "SIGTERM"
    grace_s: float = 5.0
    main_only: bool = False
    afterwards: tuple[str, ...] = ()
    working_name: str = ""
    working_folder: str = ""
    alone: bool = False
    left_behind_grace_s: float | None = None
    deletes: tuple[str, ...] = ()

    def left_behind(self) -> StopPolicy:
        """The policy for what is left of a service."""
        grace_s = self.grace_s if self.left_behind_grace_s is None else self.left_behind_grace_s
        return replace(self, grace_s=grace_s, deletes=())


@dataclass(frozen=True)
class PortClaim:
    """A TCP port the service will listen on; checked before anything starts.

    `setting` names where it is written down, where `ports.offset` does not move it.
    """

    host: str
    port: int
    purpose: str
    setting: str = ""


@dataclass(frozen=True)
class ConfigFile:
    """A file written just before the service starts. The text may hold secrets: it is never shown.

    `aside`: another text is no reason to replace the service.
    """

    path: str
    text: str = field(repr=False)
    mode: int = 0o600
    aside: bool = False


@dataclass(frozen=True)
class Prepare:
    """A command that must have run once before the first start; skipped where `creates` exists.

    It works on a temporary name and is renamed into place by the command itself or is safe to repeat. `timeout_s` None
    is the usual deadline.
    """

    name: str
    argv: tuple[str, ...]
    creates: str
    timeout_s: float | None = None


@dataclass(frozen=True)
class Settle:
    """A command that brings a service that runs, and goes on, up to what is wanted of it now; safe to repeat.

    Skipped where the file `told` holds `text`: that is written when it has gone well, and when the service has been
    started, which does the same.
    """

    name: str
    argv: tuple[str, ...]
    told: str
    text: str


@dataclass(frozen=True)
class Lane:
    """Services that start in turns: of those with the same lane, `width` at once."""

    name: str
    width: int


class MountKind(StrEnum):
    """Where what a container sees under a path comes from."""

    BIND = "bind"
    VOLUME = "volume"
    TMPFS = "tmpfs"


@dataclass(frozen=True)
class Mount:
    """What a container sees at `target`: a folder of this machine, a named volume (`source` is its name), or memory.

    A volume outlives its containers; `size_bytes` bounds a TMPFS.
    """

    kind: MountKind
    target: str
    source: str = ""
    read_only: bool = False
    size_bytes: int | None = None


@dataclass(frozen=True)
class Published:
    """A port of a container that is reachable at an address of this machine."""

    host: str
    host_port: int
    port: int


@dataclass(frozen=True)
class Network:
    """A cluster's own network. Addresses are fixed, so that nothing waits for a name to resolve."""

    name: str
    subnet: str


@dataclass(frozen=True)
class Container:
    """What a service's container has besides the service's command, environment and folder.

    `network` None is the network of this machine. `address` is its fixed address there. `secrets` maps paths inside the
    container to secrets of this machine: they are copied in before it starts, readable by `uid` alone, so that neither
    the engine's listings nor the command line show them; a ConfigFile's path is one inside the container, too.
    `entrypoint` None keeps the image's own. `health` is the command by which the engine itself tells the container's
    health, for `docker ps` and for its events; None keeps the image's, () is none. Sizes are bytes.
    """

    image: str
    network: Network | None = None
    address: str = ""
    uid: int = 0
    user: str = ""
    entrypoint: tuple[str, ...] | None = None
    mounts: tuple[Mount, ...] = ()
    published: tuple[Published, ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    shm_bytes: int | None = None
    memory_bytes: int | None = None
    cpus: float | None = None
    gpus: tuple[str, ...] = ()
    health: tuple[str, ...] | None = None
    init: bool = True


@dataclass(frozen=True)
class Service:
    """One thing that runs.

    `discard` (what an earlier instance has left) is removed before it starts, and so is what its stop `deletes`, unless
    it `comes_back` as the instance that it was; then `folders` are made. `vital` names processes without which it
    counts as dead; the data of an `exclusive` one is used by one at a time, whoever starts it; `slot` is where its app
    tier is; `group` is that of a worker node; `logs` are patterns of log files besides its own output; `urls` is where
    it answers. Without an `optional` one everything else still comes up: its failure is told, and fails nothing.
    """

    name: str
    tier: Tier
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, EnvValue] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    lane: Lane | None = None
    gates: tuple[Gate, ...] = ()
    health: HealthPolicy = HealthPolicy()
    start_timeout_s: float = 120.0
    stop: StopPolicy = StopPolicy()
    restart: Restart = Restart.ALWAYS
    run: Run = Run.STEADY
    schedule: Schedule | None = None
    one_shot: bool = False
    optional: bool = False
    exclusive: bool = False
    vital: tuple[str, ...] = ()
    slot: Slot = Slot.A
    group: str = ""
    logs: tuple[str, ...] = ()
    ports: tuple[PortClaim, ...] = ()
    files: tuple[ConfigFile, ...] = ()
    folders: tuple[str, ...] = ()
    discard: tuple[str, ...] = ()
    comes_back: bool = False
    prepare: tuple[Prepare, ...] = ()
    settle: Settle | None = None
    urls: Mapping[str, str] = field(default_factory=dict)
    container: Container | None = None

    @property
    def may_end(self) -> bool:
        """Whether an end with exit code 0 means that it has done its work."""
        return self.one_shot or self.run is not Run.STEADY or self.restart is not Restart.ALWAYS

    def fingerprint(self) -> str:
        """16 hex digits over what the process runs with; a difference means it must be replaced.

        Health policy, needs, lanes and deadlines are left out: changing them needs no restart.
        """
        basis = {
            "argv": self.argv,
            "cwd": self.cwd,
            "env": {key: _plain(value) for key, value in sorted(self.env.items())},
            "files": [(file.path, file.text) for file in self.files if not file.aside],
        }
        if self.container:
            # What is brought up to date while it runs gets its secrets anew.
            secrets = {} if self.settle else self.container.secrets
            contained = asdict(replace(self.container, health=None, secrets=secrets))
            # One without is the same as before there was this key.
            basis["container"] = {key: value for key, value in contained.items() if key != "gpus" or value}
        return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]

    def bound_to(self) -> tuple[str, ...]:
        """Names of the services whose replacement replaces this one."""
        return tuple(need.service for need in self.needs if need.bind)

    def ends_with(self) -> frozenset[str]:
        """Names of the services without which this one is of no use, whatever of it still runs."""
        return frozenset(need.service for need in self.needs if need.bind and not need.outlives)

    def outlives(self, name: str) -> bool:
        """Whether it goes on while the named one is away."""
        return any(need.outlives for need in self.needs if need.service == name)

    def coming_back(self) -> Service:
        """The same as it starts where it goes on with what it knew."""
        return replace(self, comes_back=True)


def _plain(value: EnvValue) -> Any:
    return value if isinstance(value, str) else asdict(value)


def log_path(logs: Path, service: str) -> Path:
    """Where a service's own output goes."""
    return logs / f"{service}.log"

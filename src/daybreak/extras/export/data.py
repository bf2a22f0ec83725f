"""The databases, as the docker backend runs them. Pure."""

from __future__ import annotations

from dataclasses import replace

from daybreak.extras.export.files import File
from daybreak.extras.export.parts import Part, contained, file_of
from daybreak.extras.export.target import Target, site_outside
from daybreak.names import NEO4J, POSTGRES
from daybreak.services.databases.connections import wanted_databases
from daybreak.services.databases.containers import DATA, NEO4J_HTTP, database_container
from daybreak.services.databases.roles import IN_A_CONTAINER
from daybreak.services.service import ConfigFile, Container, Service
from daybreak.spec.model import Spec

COMMENT = "Its data is in a volume: it outlives the container."
# Its image names none of its own, and has no HTTP client for certain. The entrypoint must be named: a shell that reads
# the password stands in front of it.
NEO4J_ENTRYPOINT = ("tini", "-g", "--", "/startup/docker-entrypoint.sh")
NEO4J_HEALTH = ("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{NEO4J_HTTP}")
# What the image runs once, when it makes the data: the user that programs are is no superuser.
POSTGRES_INIT = "/docker-entrypoint-initdb.d/daybreak.sh"


def services(spec: Spec, target: Target) -> list[Service]:
    """All of them. Raises SpecError for a setting that cannot be."""
    site = site_outside(spec, target)
    return [_adapted(spec, database_container(spec, site, name)) for name in wanted_databases(spec)]


def parts(spec: Spec, target: Target) -> list[Part]:
    made = services(spec, target)
    return [Part(one.name, COMMENT, contained(spec, one, start_interval=target.start_interval)) for one in made]


def files(spec: Spec, target: Target) -> list[File]:
    return [file_of(service, file) for service in services(spec, target) for file in service.files]


def _adapted(spec: Spec, service: Service) -> Service:
    """Published where the spec names a port alone: the other containers need none."""
    container = service.container
    assert isinstance(container, Container)
    if not getattr(spec.databases, service.name).port:
        container = replace(container, published=())
    if service.name == NEO4J:
        container = replace(container, entrypoint=NEO4J_ENTRYPOINT, health=NEO4J_HEALTH)
    if service.name == POSTGRES:
        # An exported cluster has its data at the volume's top: elsewhere the server would find none, and begin anew.
        env = {**service.env, "PGDATA": DATA[POSTGRES]}
        service = replace(service, env=env, files=(ConfigFile(POSTGRES_INIT, _postgres_init(spec), 0o644),))
    return replace(service, container=container)


def _postgres_init(spec: Spec) -> str:
    assert spec.databases.postgres
    extensions = " ".join(spec.databases.postgres.extensions)
    told = f"database=$POSTGRES_DB extensions='{extensions}'\nexport PASSWORD=$POSTGRES_PASSWORD\n"
    return f"# Run once, when the data is made.\n{told}{IN_A_CONTAINER}\nset_up\n"

"""The databases, as the docker backend runs them. Pure."""

from __future__ import annotations

from dataclasses import replace

from daybreak.extras.export.files import File
from daybreak.extras.export.parts import Part, contained, file_of
from daybreak.extras.export.target import Target, site_outside
from daybreak.names import NEO4J, POSTGRES
from daybreak.services.databases import container_scripts
from daybreak.services.databases.connections import wanted_databases
from daybreak.services.databases.containers import DATA, NEO4J_HTTP, PGDATA, database_container
from daybreak.services.databases.setup import Setup, setup_of
from daybreak.services.databases.setup_live import FUNCTIONS
from daybreak.services.service import Container, EnvValue, Secret, Service
from daybreak.services.site import Site
from daybreak.spec.model import Spec

COMMENT = "Its data is in a volume: it outlives the container."
# Its image names none of its own, and has no HTTP client for certain. The entrypoint must be named: a shell that reads
# the password stands in front of it.
NEO4J_ENTRYPOINT = ("tini", "-g", "--", "/startup/docker-entrypoint.sh")
NEO4J_HEALTH = ("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{NEO4J_HTTP}")
POSTGRES_ENTRYPOINT = ("docker-entrypoint.sh",)
# Variables of the image's first program, with the passwords of PostgreSQL's roles, whose names follow.
OF_ROLE = "PASSWORD_"
TELLING = f"""telling() {{ printf 'printf %%s "${OF_ROLE}%s"' "${{1%%:*}}"; }}\n"""


def services(spec: Spec, target: Target) -> list[Service]:
    """All of them. Raises SpecError for a setting that cannot be."""
    site = site_outside(spec, target)
    return [_adapted(spec, site, database_container(spec, site, name)) for name in wanted_databases(spec)]


def parts(spec: Spec, target: Target) -> list[Part]:
    made = services(spec, target)
    return [Part(one.name, COMMENT, contained(spec, one, start_interval=target.start_interval)) for one in made]


def files(spec: Spec, target: Target) -> list[File]:
    return [file_of(service, file) for service in services(spec, target) for file in service.files]


def _adapted(spec: Spec, site: Site, service: Service) -> Service:
    """Published where the spec names a port alone: the other containers need none."""
    container = service.container
    assert isinstance(container, Container)
    if not getattr(spec.databases, service.name).port:
        container = replace(container, published=())
    if service.name == NEO4J:
        container = replace(container, entrypoint=NEO4J_ENTRYPOINT, health=NEO4J_HEALTH)
    if service.name == POSTGRES:
        assert spec.databases.postgres
        return _postgres(setup_of(spec.databases.postgres), site, service, container)
    return replace(service, container=container)


def _postgres(setup: Setup, site: Site, service: Service, container: Container) -> Service:
    """Everything is set up when the image makes the data: nobody else is there who may read all secrets."""
    # An exported cluster has its data at the volume's top: elsewhere the server would find none, and begin anew.
    data = DATA[POSTGRES]
    env: dict[str, EnvValue] = {role: Secret(secret) for role, secret in setup.roles.items()}
    env = {**service.env, "PGDATA": data, **{f"{OF_ROLE}{role}": secret for role, secret in env.items()}}
    argv = tuple(data if word == PGDATA else word for word in service.argv)
    first = f"{setup.assigned}SECRETS=yes superuser_password= hands_over=first\n{FUNCTIONS}{TELLING}set_up\n"
    files = container_scripts.around(site, POSTGRES, data, first, "hands_over=all\nhand_over\n")
    files = files or (container_scripts.script(container_scripts.BEFORE, first),)
    kept = {path: secret for path, secret in container.secrets.items() if path.endswith(f"/{POSTGRES}")}
    # A shell that reads passwords stands in front of it, as for Neo4j.
    own = replace(container, secrets=kept, entrypoint=POSTGRES_ENTRYPOINT)
    return replace(service, env=env, argv=argv, files=files, container=own)

"""What the containers find in their environment. No value of a secret is among it, only its file's path. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from daybreak.extras.export.target import SECRETS, Target, site_outside
from daybreak.names import HEAD, NEO4J, POSTGRES, REDIS
from daybreak.services.container_site import site_inside
from daybreak.services.databases.connections import connection_env, connection_files
from daybreak.services.databases.containers import NEO4J_AUTH, neo4j_auth
from daybreak.services.service import EnvValue, Secret
from daybreak.spec.model import Spec


def plain(env: Mapping[str, EnvValue]) -> dict[str, str]:
    """A service's environment as Compose has it.

    A secret becomes NAME_FILE, from which `enter.sh` sets NAME inside the container. What is put in front of a search
    path is left out: the image has its own.
    """
    found: dict[str, str] = {}
    for name, value in env.items():
        if isinstance(value, Secret):
            found[f"{name}_FILE"] = f"{SECRETS}/{PurePosixPath(value.path).name}"
        elif isinstance(value, str):
            found[name] = value
    return found


def connections(spec: Spec, target: Target) -> dict[str, str]:
    """By what the databases are found in their containers."""
    site = replace(site_inside(site_outside(spec, target), HEAD), secrets_folder=SECRETS)
    return plain(connection_env(spec, site))


def secrets_read(spec: Spec, target: Target) -> list[str]:
    """The secrets that Ray's nodes and the user's own services read."""
    site = site_inside(site_outside(spec, target), HEAD)
    found = ["ray-token"] if site.ray.has_token_auth else []
    found += connection_files(spec, site)
    return found + [name for name in (POSTGRES, REDIS, NEO4J) if getattr(spec.databases, name)]


def secret_values(spec: Spec, target: Target, passwords: Mapping[str, str]) -> dict[str, str]:
    """What the files hold that are made from the passwords, by name."""
    site = site_inside(site_outside(spec, target, passwords), HEAD)
    found = {name: text.rstrip("\n") for name, text in connection_files(spec, site).items()}
    return found | ({NEO4J_AUTH: neo4j_auth(passwords[NEO4J])} if spec.databases.neo4j else {})


def user(numbers: tuple[int, int]) -> str:
    """Who a container runs as. The variable is for who copies the folder to an account with other numbers."""
    return f"${{DAYBREAK_USER:-{numbers[0]}:{numbers[1]}}}"

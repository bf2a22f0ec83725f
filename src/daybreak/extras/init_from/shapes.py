"""What Compose's specification lets stand where, as far as it is read here. Strange keys are no problem."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from daybreak.errors import Problem

Scalar = str | int | float | bool | None
Scalars = list[str | int | float | bool] | None
Pairs = dict[str, Scalar] | Scalars
Command = str | Scalars


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class Device(Loose):
    capabilities: Scalars = None
    count: int | str | None = None
    device_ids: Scalars = None


class Amounts(Loose):
    cpus: str | int | float | None = None
    memory: str | int | None = None
    devices: list[Device] | None = None


class Resources(Loose):
    limits: Amounts | None = None
    reservations: Amounts | None = None


class Deploy(Loose):
    replicas: int | str | None = None
    resources: Resources | None = None


class Build(Loose):
    context: str | None = None
    dockerfile: str | None = None
    dockerfile_inline: str | None = None
    target: str | None = None


class Dependency(Loose):
    condition: str | None = None
    required: bool | None = None


class Check(Loose):
    test: Command = None
    disable: bool | None = None


class Volume(Loose):
    source: str | None = None
    target: str
    read_only: bool | None = None


class PortPair(Loose):
    target: int | str
    published: int | str | None = None


class EnvFile(Loose):
    path: str


class SecretUse(Loose):
    source: str


class Network(Loose):
    aliases: Scalars = None


class Service(Loose):
    image: str | None = None
    build: str | Build | None = None
    command: Command = None
    entrypoint: Command = None
    environment: Pairs = None
    env_file: str | EnvFile | list[str | EnvFile] | None = None
    ports: list[int | float | str | PortPair] | None = None
    volumes: list[str | Volume] | None = None
    depends_on: dict[str, Dependency | None] | list[str] | None = None
    healthcheck: Check | None = None
    deploy: Deploy | None = None
    profiles: list[str] | None = None
    secrets: list[str | SecretUse] | None = None
    networks: dict[str, Network | None] | list[str] | None = None
    restart: str | bool | None = None
    working_dir: str | None = None
    stop_grace_period: str | int | None = None
    extends: str | dict[str, str] | None = None
    scale: int | str | None = None
    cpus: str | int | float | None = None
    mem_limit: str | int | None = None
    container_name: str | None = None
    hostname: str | None = None


class Source(Loose):
    file: str | None = None
    environment: str | None = None


class File(Loose):
    name: str | None = None
    services: dict[str, Service]
    secrets: dict[str, Source | None] | None = None


def problems(data: Any, label: str) -> Iterator[Problem]:
    """Why it is no Compose file; everything at once."""
    if not isinstance(data, dict) or not isinstance(data.get("services"), dict) or not data["services"]:
        yield Problem("is no Compose file: it has no `services:`", file=label)
        return
    try:
        File.model_validate(data)
    except ValidationError as error:
        places = dict.fromkeys(_place(one["loc"], data) for one in error.errors(include_url=False))
        for place in places:
            yield Problem("is not what Compose takes there", ".".join(map(str, place)), label)


def _place(loc: tuple[int | str, ...], data: Any) -> tuple[int | str, ...]:
    """The part of a place that is written in the file; the rest names types."""
    found: list[int | str] = []
    for part in loc:
        there = isinstance(data, dict) and part in data
        if not there and not (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            break
        data = data[part]
        found.append(part)
    return tuple(found)

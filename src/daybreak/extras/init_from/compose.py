"""A Compose project as plain values: the common part of its specification, every short form written out.

Texts are as a spec writes them, see `words`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from daybreak.errors import Problem, SpecError
from daybreak.extras.init_from.dockerfile import NO_BUILD, Build, build_of
from daybreak.extras.init_from.ports import Port, ports_of
from daybreak.extras.init_from.shapes import problems
from daybreak.extras.init_from.words import Words, names_in, split
from daybreak.spec.document import label_of, read_text

STARTED, DONE = "service_started", "service_completed_successfully"
MOST_EXTENDED = 20
# What a spec has no place for, and a cluster does without: names of containers and networks, terminals, ...
UNTOLD = names_in(
    "attach container_name hostname networks expose links tty stdin_open init labels annotations "
    "pull_policy platform domainname external_links version logging shm_size ipc ulimits scale "
    "oom_kill_disable runtime develop "
)
KNOWN = names_in(
    "image build command entrypoint environment env_file ports volumes depends_on healthcheck deploy "
    "profiles secrets restart working_dir stop_grace_period mem_limit cpus gpus extends network_mode "
)


@dataclass(frozen=True)
class Mount:
    """`source` is a folder that begins with a dot, a slash or `~`, or a volume's name; empty for an anonymous one."""

    source: str
    target: str
    read_only: bool = False

    @property
    def is_folder(self) -> bool:
        return self.source.startswith((".", "/", "~"))


@dataclass(frozen=True)
class EnvFile:
    """A file of variables; `required`: it must be there."""

    path: str
    required: bool = True


@dataclass(frozen=True)
class ComposeService:
    """One service. `needs` maps names to conditions; `names` are all by which others reach it, and
    `exposed` ports that only they are told of."""

    name: str
    image: str = ""
    build: Build = NO_BUILD
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[EnvFile, ...] = ()
    ports: tuple[Port, ...] = ()
    exposed: tuple[int, ...] = ()
    mounts: tuple[Mount, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    healthcheck: Mapping[str, Any] = field(default_factory=dict)
    deploy: Mapping[str, Any] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    restart: str | None = None
    working_dir: str = ""
    stop_grace: str | None = None
    names: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What it runs, as far as the file, or what it is built from, says."""
        entrypoint = self.build.entrypoint if self.entrypoint is None else self.entrypoint
        command = self.command
        if command is None:
            # Another entrypoint does away with the image's own command.
            command = self.build.command if self.entrypoint is None else ()
        return (*entrypoint, *command)


@dataclass(frozen=True)
class Project:
    """`folder` is where its paths count from, and where the spec is written."""

    name: str
    folder: Path
    services: Mapping[str, ComposeService]
    secrets: Mapping[str, Mapping[str, Any]]
    words: Words
    notes: tuple[str, ...] = ()


class _Loader(yaml.SafeLoader):
    """Compose has tags of its own (`!reset`, `!override`), which mean nothing in one file."""


def _untagged(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_multi_constructor("!", _untagged)


def read_project(file: Path, words: Words) -> Project:
    """Raises SpecError for what is no Compose file."""
    label = label_of(file)
    try:
        data = yaml.load(read_text(file), _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        words_of_it = str(getattr(error, "problem", error))
        raise SpecError([Problem(words_of_it, file=label, line=mark.line + 1 if mark else None)]) from error
    wrong = list(problems(data, label))
    if wrong:
        raise SpecError(wrong, hint="`docker compose config` says what Compose makes of the file")
    data = words.in_spec(data)
    services = {
        str(name): _service(str(name), _extended(data["services"], str(name), label), file.parent, words)
        for name in data["services"]
    }
    notes = []
    if "include" in data:
        notes.append(
            f"included files were not read: `docker compose config > whole.yaml`, then --from whole.yaml ({label})"
        )
    secrets = {str(name): about or {} for name, about in (data.get("secrets") or {}).items()}
    return Project(str(data.get("name") or ""), file.parent, services, secrets, words, tuple(notes))


def _extended(services: Mapping[str, Any], name: str, label: str, depth: int = 0) -> dict[str, Any]:
    """A service with what it extends below it. Raises SpecError for one of another file."""
    own = dict(services[name])
    base = own.pop("extends", None)
    if base is None:
        return own
    other = base if isinstance(base, str) else base.get("service")
    if (isinstance(base, dict) and base.get("file")) or other not in services or depth > MOST_EXTENDED:
        raise SpecError(
            [Problem("extends what is not in this file", f"services.{name}.extends", label)],
            hint="`docker compose config > whole.yaml` puts everything into one file; then --from whole.yaml",
        )
    below = _extended(services, str(other), label, depth + 1)
    for key in ("environment", "depends_on"):
        if key in below and key in own:
            own[key] = {**_mapping(below[key]), **_mapping(own[key])}
    return {**below, **own}


def _service(name: str, data: Mapping[str, Any], folder: Path, words: Words) -> ComposeService:
    depends = _mapping(data.get("depends_on"))
    build = build_of(data.get("build"), folder, words)
    deploy = dict(data.get("deploy") or {})
    for key in ("mem_limit", "cpus", "gpus", "scale"):
        if key in data:
            deploy.setdefault(key, data[key])
    grace = data.get("stop_grace_period")
    return ComposeService(
        name=name,
        image=words.value(str(data.get("image") or "")) or build.base,
        build=build,
        entrypoint=split(data["entrypoint"]) if data.get("entrypoint") is not None else None,
        command=split(data["command"]) if data.get("command") is not None else None,
        environment={key: _text(value, key) for key, value in _mapping(data.get("environment")).items()},
        env_files=tuple(_env_files(data.get("env_file"))),
        ports=tuple(ports_of(data.get("ports") or [], words)),
        exposed=(*(port.inside for port in ports_of(data.get("expose") or [], words)), *build.exposed),
        mounts=tuple(_mounts(data.get("volumes") or [], words)),
        needs={need: str((about or {}).get("condition", STARTED)) for need, about in depends.items()},
        optional=frozenset(need for need, about in depends.items() if about and about.get("required") is False),
        healthcheck=dict(data.get("healthcheck") or {}),
        deploy=deploy,
        profiles=tuple(str(profile) for profile in data.get("profiles") or ()),
        secrets=tuple(str(one.get("source") if isinstance(one, dict) else one) for one in data.get("secrets") or ()),
        restart=None if data.get("restart") is None else str(data["restart"]).lower().replace("false", "no"),
        working_dir=str(data.get("working_dir") or build.working_dir),
        stop_grace=None if grace is None else str(grace),
        names=frozenset(_names(name, data)),
        unknown=tuple(sorted(str(key) for key in data if key not in KNOWN | UNTOLD and not str(key).startswith("x-"))),
    )


def _names(name: str, data: Mapping[str, Any]) -> Iterator[str]:
    yield name
    for key in ("container_name", "hostname"):
        if data.get(key):
            yield str(data[key])
    networks = data.get("networks")
    for network in networks.values() if isinstance(networks, dict) else ():
        yield from map(str, (network or {}).get("aliases") or ())


def _mapping(value: Any) -> dict[str, Any]:
    """`[NAME=value, OTHER]` and `{NAME: value}` are the same."""
    if isinstance(value, dict):
        return {str(key): one for key, one in value.items()}
    pairs = (str(one).partition("=") for one in value or ())
    return {name: one if equals else None for name, equals, one in pairs}


def _text(value: Any, name: str) -> str:
    """A variable's value. One without a value has that of the environment."""
    if value is None:
        return f"${{{name}:-}}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _env_files(value: Any) -> Iterator[EnvFile]:
    for one in [value] if isinstance(value, str | dict) else value or ():
        yield EnvFile(one["path"], one.get("required") is not False) if isinstance(one, dict) else EnvFile(str(one))


def _mounts(volumes: list[Any], words: Words) -> Iterator[Mount]:
    for volume in volumes:
        if isinstance(volume, dict):
            yield Mount(
                words.value(str(volume.get("source") or "")), str(volume.get("target")), bool(volume.get("read_only"))
            )
            continue
        source, _, rest = words.value(str(volume)).partition(":")
        target, _, options = rest.partition(":")
        yield Mount(source, target, "ro" in options.split(",")) if target else Mount("", source)

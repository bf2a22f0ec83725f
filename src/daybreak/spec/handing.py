"""What the services of a spec are handed: which secrets and files of variables, what is wrong with them, and what they
hold. Values are read here alone, and are in no message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daybreak.errors import Problem, SpecError
from daybreak.names import DATABASES
from daybreak.spec import suggest
from daybreak.spec.document import KeyPath
from daybreak.spec.dotenv import read_variables
from daybreak.spec.interpolation import Lookup
from daybreak.spec.model import Node, Spec
from daybreak.spec.secrets import EnvFile, SecretUse
from daybreak.spec.wording import Finding

# Those that daybreak makes itself.
MADE = frozenset([*DATABASES, "ray-token", "page-token", "scrape-token", "grafana"])
MOST_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Place:
    """One section that may list secrets and files, with the variables that it sets itself."""

    path: KeyPath
    secrets: tuple[SecretUse, ...] = ()
    files: tuple[EnvFile, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Values:
    """What there is to hand over: secrets by name, and variables by their file's path as the spec has it."""

    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)


def places(spec: Spec) -> list[Place]:
    """Every section that may list some."""
    nodes: dict[KeyPath, Node] = {("head",): spec.head, ("workers",): spec.workers}
    for name, group in spec.workers.groups.items():
        if (group.secrets, group.env_file) != (spec.workers.secrets, spec.workers.env_file):
            nodes["workers", "groups", name] = group
    return [
        Place((), files=spec.env_file),
        *(Place(path, node.secrets, node.env_file, node.env) for path, node in nodes.items()),
        Place(("serve",), spec.serve.secrets),
        *(Place(("services", name), one.secrets, one.env_file, one.env) for name, one in spec.services.items()),
    ]


def used_secrets(spec: Spec) -> list[str]:
    """The names of those that are handed to anybody."""
    return list(dict.fromkeys(use.name for place in places(spec) for use in place.secrets))


def source_variables(spec: Spec) -> set[str]:
    """The variables of the environment that hold secrets: nobody inherits them."""
    return {source.environment for source in spec.secrets.values() if source.environment}


def handed_files(spec: Spec, base: Path) -> list[Path]:
    """The files that hold what is handed over: nobody else needs them."""
    named = [source.file for source in spec.secrets.values() if source.file]
    return [base / path for path in (*named, *(one.path for place in places(spec) for one in place.files))]


def check_handing(spec: Spec) -> Iterator[Finding]:
    """What is wrong with who is handed what. No file is read."""
    for name in spec.secrets.keys() & MADE:
        yield Finding(("secrets", name), "is the name of a secret that daybreak makes itself", at_key=True)
    for place in places(spec):
        set_by: dict[str, str] = dict.fromkeys(place.env, "env")
        for index, use in enumerate(place.secrets):
            path = (*place.path, "secrets", index)
            if use.name not in spec.secrets:
                hint = (
                    suggest.for_name(use.name, spec.secrets)
                    or f"write secrets: {{{use.name}: {{file: ./FILE}}}} at the top"
                )
                yield Finding(path, f"no secret is called '{use.name}'", hint)
            elif use.variable in set_by:
                yield Finding(
                    path, f"{use.variable} is set by {set_by[use.variable]} already", "write `env: OTHER_NAME`"
                )
            set_by[use.variable] = f"the secret {use.name}"


def read_values(spec: Spec, base: Path, lookup: Lookup) -> tuple[Values, list[Finding | Problem]]:
    """What is handed over, and everything that is missing: places in the spec, and lines of files of variables."""
    wrong: list[Finding | Problem] = []
    secrets: dict[str, bytes] = {}
    files: dict[str, Mapping[str, str]] = {}
    as_text = {use.name for place in places(spec) for use in place.secrets if use.env}
    for name in used_secrets(spec):
        found = _secret(spec, name, base, lookup, text=name in as_text)
        if isinstance(found, Finding):
            wrong.append(found)
        else:
            secrets[name] = found
    for place in places(spec):
        for index, one in enumerate(place.files):
            if one.path not in files:
                try:
                    files[one.path] = _variables(base / one.path, one, lookup)
                except SpecError as error:
                    there = (base / one.path).is_file()
                    path = (*place.path, "env_file", index)
                    wrong += error.problems if there else [Finding(path, f"no such file: {base / one.path}", _OPTIONAL)]
                    files[one.path] = {}
    return Values(secrets, files), wrong


_OPTIONAL = "write {path: ..., required: false} where it need not be there"


def _variables(file: Path, one: EnvFile, lookup: Lookup) -> Mapping[str, str]:
    return {} if not one.required and not file.exists() else read_variables(file, lookup)


def _secret(spec: Spec, name: str, base: Path, lookup: Lookup, *, text: bool) -> bytes | Finding:
    """Its value, or why there is none."""
    source = spec.secrets.get(name)
    if source is None:
        # Of a version, say, that the spec of today has outgrown.
        return Finding(("secrets", name), "is handed to a service, and the spec does not say where it comes from")
    if source.environment:
        value = lookup(source.environment)
        path: KeyPath = ("secrets", name, "environment")
        if value is None or value == "":
            said = "is not set" if value is None else "is empty"
            hint = f"set it in the environment, or write {source.environment}=... into {base / '.env'}, mode 0600"
            return Finding(path, f"the variable {source.environment} {said}", hint)
        return value.encode()
    file, path = base / str(source.file), ("secrets", name, "file")
    try:
        with open(file, "rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        return Finding(
            path, f"{file} cannot be read: {error.strerror or error}", "write the secret into that file, mode 0600"
        )
    if not content.strip():
        return Finding(path, f"{file} is empty", "write the secret into it")
    if len(content) > MOST_BYTES:
        return Finding(path, f"{file} has more than {MOST_BYTES // 1024} KiB", "hand larger files over by their path")
    if text and not _is_text(content):
        return Finding(
            path, f"{file} is no text, and no variable can hold it", "hand it over as a file: without `env:`"
        )
    return content


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False

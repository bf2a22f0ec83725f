"""The user's secrets and files of variables as Compose has them: by name, from where the spec has them. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from daybreak.extras.export.target import Target
from daybreak.spec.document import dotted
from daybreak.spec.handing import places, used_secrets
from daybreak.spec.model import Spec
from daybreak.spec.secrets import EnvFile, SecretUse


def sources(spec: Spec, target: Target) -> dict[str, dict[str, str]]:
    """`secrets` at the top of the file; a file stays where it is."""
    found: dict[str, dict[str, str]] = {}
    for name in used_secrets(spec):
        source = spec.secrets[name]
        if source.environment:
            found[name] = {"environment": source.environment}
        else:
            found[name] = {"file": path_of(target, str(source.file))}
    return found


def body(
    spec: Spec, target: Target, made: list[str], uses: Iterable[SecretUse], files: Iterable[EnvFile]
) -> dict[str, Any]:
    """`secrets` and `env_file` of a service, beside the secrets that daybreak has `made`."""
    names = list(dict.fromkeys([*made, *(use.name for use in uses)]))
    listed = [_file(target, one) for one in dict.fromkeys((*spec.env_file, *files))]
    return {**({"secrets": names} if names else {}), **({"env_file": listed} if listed else {})}


def variables(uses: Iterable[SecretUse]) -> dict[str, str]:
    """What `enter.sh` is told: which secrets become variables."""
    names = " ".join(use.env for use in uses if use.env)
    return {"DAYBREAK_SECRETS": names} if names else {}


def left_out(spec: Spec, instead: str) -> Iterator[str]:
    """One line for each section that lists some; `instead` says where it belongs there."""
    for place in places(spec):
        names = [*(use.name for use in place.secrets), *(one.path for one in place.files)]
        if names:
            yield f"{dotted((*place.path, 'secrets' if place.secrets else 'env_file'))}: {', '.join(names)}: {instead}"


def _file(target: Target, one: EnvFile) -> str | Mapping[str, Any]:
    path = path_of(target, one.path)
    return path if one.required else {"path": path, "required": False}


def path_of(target: Target, path: str) -> str:
    """Paths of the spec count from its folder, which need not be that of the compose file."""
    return posixpath.normpath(posixpath.join(target.base, path))

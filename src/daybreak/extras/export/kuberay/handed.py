"""The user's secrets and files of variables: Secrets that they make by themselves, so no value is written. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable
from typing import Any

from daybreak.extras.export.handed import path_of
from daybreak.extras.export.kuberay.names import beside
from daybreak.extras.export.target import Target
from daybreak.spec.handing import places, used_secrets
from daybreak.spec.model import Spec
from daybreak.spec.secrets import EnvFile, SecretUse

VOLUME = "own-secrets"
FOLDER = "/run/own-secrets"
OWN = "own"


def variables(spec: Spec, uses: Iterable[SecretUse]) -> list[dict[str, Any]]:
    """A secret's value, or the path of its file."""
    found: list[dict[str, Any]] = []
    for use in uses:
        if use.env:
            reference = {"name": beside(spec, OWN), "key": use.name}
            found.append({"name": use.env, "valueFrom": {"secretKeyRef": reference}})
        else:
            found.append({"name": use.variable, "value": f"{FOLDER}/{use.name}"})
    return found


def mounts(uses: Iterable[SecretUse]) -> list[dict[str, Any]]:
    """Where the files are."""
    return [{"name": VOLUME, "mountPath": FOLDER, "readOnly": True}] if _files(uses) else []


def volumes(spec: Spec, uses: Iterable[SecretUse]) -> list[dict[str, Any]]:
    """The files alone, of all that the Secret has."""
    names = _files(uses)
    items = [{"key": name, "path": name} for name in names]
    return [{"name": VOLUME, "secret": {"secretName": beside(spec, OWN), "items": items}}] if names else []


def env_from(spec: Spec, files: Iterable[EnvFile]) -> list[dict[str, Any]]:
    """The files of variables, the whole cluster's first: the last one counts."""
    every = dict.fromkeys((*spec.env_file, *files))
    return [
        {"secretRef": {"name": _of_file(spec, one), **({} if one.required else {"optional": True})}} for one in every
    ]


def commands(spec: Spec, target: Target) -> list[str]:
    """What makes the Secrets that the manifests count on."""
    found = []
    sources = [
        f'--from-literal={name}="${source.environment}"'
        if (source := spec.secrets[name]).environment
        else f"--from-file={name}={shlex.quote(path_of(target, str(source.file)))}"
        for name in used_secrets(spec)
    ]
    if sources:
        found.append(f"kubectl create secret generic {beside(spec, OWN)} {' '.join(sources)}")
    for one in dict.fromkeys(file for place in places(spec) for file in place.files):
        path = shlex.quote(path_of(target, one.path))
        found.append(f"kubectl create secret generic {_of_file(spec, one)} --from-env-file={path}")
    return found


def _files(uses: Iterable[SecretUse]) -> list[str]:
    return sorted({use.name for use in uses if not use.env})


def _of_file(spec: Spec, one: EnvFile) -> str:
    """A name that says which file it is of."""
    words = re.sub(r"[^a-z0-9]+", "-", posixpath.normpath(one.path).lower()).strip("-")
    return beside(spec, f"env-{words}")

"""Everything for `kubectl apply -k`, from a spec. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daybreak.extras.export import environment
from daybreak.extras.export.compose import IGNORED
from daybreak.extras.export.files import Export, File
from daybreak.extras.export.kuberay import databases, own_services, readme, watching
from daybreak.extras.export.kuberay.left_out import left_out
from daybreak.extras.export.kuberay.names import TOKEN, TOKEN_KEY, config_name, metadata, secret_name, token_name
from daybreak.extras.export.kuberay.nodes import RAY_NODE, cluster
from daybreak.extras.export.kuberay.serve import serve_config
from daybreak.extras.export.target import Target
from daybreak.extras.export.text import comment, dumped
from daybreak.names import POSTGRES, REDIS
from daybreak.services.databases.connections import (
    DATABASE_URL,
    REDIS_URL,
    given_passwords,
    passwords_of,
)
from daybreak.spec.model import Ports, Spec

API = "ray.io/v1"
WRITTEN = "Written by `daybreak export kuberay`. What you change is yours: another export asks first."
# What programs are told of a database that is elsewhere: the one variable whose value the user knows.
EXTERNAL = {POSTGRES: DATABASE_URL, REDIS: REDIS_URL}
# What is only true of a server of our own, besides the URL; what ends in an underscore begins names.
OF_OWN = {
    POSTGRES: (
        *("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "DATABASE_URL_"),
        *("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"),
    ),
    REDIS: ("REDIS_HOST", "REDIS_PORT", "REDISCLI_AUTH", "REDIS_URL_"),
}
# Requests move over in steps of so many per cent, so many seconds apart.
STEP_PERCENT, STEP_S = 10, 30


@dataclass(frozen=True)
class Wishes:
    """What is asked for beside the spec.

    `job` is a RayJob's command. `external` are databases that are elsewhere. With a `gateway_class` a changed cluster
    takes requests over step by step. `storage` is the size of each volume.
    """

    job: str = ""
    external: frozenset[str] = frozenset()
    gateway_class: str = ""
    storage: str = "10Gi"


def kuberay(given: Spec, target: Target, wishes: Wishes) -> Export:
    """Raises SpecError for a setting that cannot be."""
    # Every pod has an address of its own.
    spec = given.model_copy(update={"ports": Ports()})
    servers = databases.wanted(spec, target, wishes.external)
    ray = _without_addresses(_ray(spec, target, wishes), wishes.external)
    own = _without_addresses(own_services.objects(spec, target, wishes.storage), wishes.external)
    stored = databases.objects(spec, servers, wishes.storage)
    found = {"ray.yaml": [ray], "databases.yaml": stored, "services.yaml": own}
    manifests = [_file(name, objects) for name, objects in found.items() if objects]
    config = databases.files(servers)
    used = sorted(set(secret_keys([*stored, *own, ray], secret_name(spec))))
    kustomization = _kustomization(spec, target, [file.path for file in manifests], config, used)
    return Export(
        files=(
            *manifests,
            *config,
            File("kustomization.yaml", kustomization),
            *watching.files(spec),
            File("README.md", readme.text(spec, target, str(ray["kind"]), sorted(wishes.external))),
            File(".gitignore", IGNORED.replace("compose", "kuberay")),
        ),
        secrets=_passwords(spec, target, wishes.external),
        warnings=tuple(left_out(given, target)),
    )


def secret_values(
    spec: Spec, target: Target, passwords: Mapping[str, str], external: Collection[str]
) -> dict[str, str]:
    """What is made from the passwords, by name; not what only the user knows, and no file of psql's."""
    known = {**dict.fromkeys(passwords_of(spec, containers=True), ""), **passwords}
    found = environment.secret_values(spec, target, known)
    elsewhere = ["pgpass", *(EXTERNAL[name] for name in external)]
    return {name: value for name, value in found.items() if name.partition(".")[0] not in elsewhere}


def secret_keys(content: Any, secret: str) -> Iterator[str]:
    """Every key of this Secret that the manifests name."""
    if isinstance(content, Mapping):
        if content.get("name") == secret and "key" in content:
            yield str(content["key"])
        if content.get("secretName") == secret:
            yield from (str(item["key"]) for item in content["items"])
        for value in content.values():
            yield from secret_keys(value, secret)
    elif isinstance(content, Sequence) and not isinstance(content, str):
        for value in content:
            yield from secret_keys(value, secret)


def _ray(spec: Spec, target: Target, wishes: Wishes) -> dict[str, Any]:
    head = {"metadata": metadata(spec, spec.name, RAY_NODE)}
    if wishes.job:
        body = {
            "entrypoint": wishes.job,
            "shutdownAfterJobFinishes": True,
            "rayClusterSpec": cluster(spec.model_copy(update={"serve": type(spec.serve)()}), target),
        }
        return {"apiVersion": API, "kind": "RayJob", **head, "spec": body}
    if not spec.serve.wanted:
        return {"apiVersion": API, "kind": "RayCluster", **head, "spec": cluster(spec, target)}
    body = {
        "upgradeStrategy": _strategy(wishes.gateway_class),
        "serveConfigV2": serve_config(spec, target.serve_config),
        "rayClusterConfig": cluster(spec, target),
    }
    return {"apiVersion": API, "kind": "RayService", **head, "spec": body}


def _strategy(gateway_class: str) -> dict[str, Any]:
    """Another cluster is ready before the old one gets no more requests: at once, or step by step."""
    if not gateway_class:
        return {"type": "NewCluster"}
    steps = {
        "gatewayClassName": gateway_class,
        "stepSizePercent": STEP_PERCENT,
        "intervalSeconds": STEP_S,
        "maxSurgePercent": 100,
    }
    return {"type": "NewClusterWithIncrementalUpgrade", "clusterUpgradeOptions": steps}


def _without_addresses(content: Any, external: Collection[str]) -> Any:
    """Without what is only true of a server of our own, where it is elsewhere."""
    own = [word for name in external for word in OF_OWN[name]]
    if isinstance(content, Mapping):
        return {key: _without_addresses(value, external) for key, value in content.items()}
    if isinstance(content, list):
        kept = [one for one in content if not (isinstance(one, Mapping) and _is_variable(one, own))]
        return [_without_addresses(one, external) for one in kept]
    return content


def _is_variable(content: Mapping[str, Any], own: Sequence[str]) -> bool:
    name = str(content.get("name"))
    named = any(name == word or (word.endswith("_") and name.startswith(word)) for word in own)
    return named and not {"value", "valueFrom"}.isdisjoint(content)


def _passwords(spec: Spec, target: Target, external: Collection[str]) -> tuple[str, ...]:
    """Those that are made up, by name."""
    given = given_passwords(spec)
    here = [name for name in passwords_of(spec, containers=True) if name.partition(".")[0] not in external]
    return (*([TOKEN] if target.ray.has_token_auth else []), *(name for name in here if name not in given))


def _kustomization(
    spec: Spec, target: Target, resources: Sequence[str], config: Sequence[File], used: Sequence[str]
) -> str:
    """Names stay as they are: kustomize does not know where KubeRay's objects name Secrets."""
    secrets = [{"name": secret_name(spec), "files": [f"{key}=secrets/{key}" for key in used]}] if used else []
    if target.ray.has_token_auth:
        secrets.append({"name": token_name(spec), "files": [f"{TOKEN_KEY}=secrets/{TOKEN}"]})
    maps = [{"name": config_name(spec), "files": [file.path for file in config]}] if config else []
    found: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(resources),
        "generatorOptions": {"disableNameSuffixHash": True},
        "secretGenerator": secrets,
        "configMapGenerator": maps,
    }
    return comment(WRITTEN) + dumped({key: value for key, value in found.items() if value})


def _file(name: str, objects: Sequence[Mapping[str, Any]]) -> File:
    return File(name, comment(WRITTEN) + "---\n".join(map(dumped, objects)))

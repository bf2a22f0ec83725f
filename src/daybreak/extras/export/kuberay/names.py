"""What the objects of one cluster are called, and what they have in common. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daybreak.extras.export.target import SECRETS
from daybreak.names import POSTGRES
from daybreak.spec.model import Spec

INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
MANAGED_BY = {"app.kubernetes.io/managed-by": "daybreak"}
# Where KubeRay looks for Ray's token.
TOKEN_KEY = "auth_token"  # noqa: S105
TOKEN = "ray-token"  # noqa: S105
# A variable of this end whose value is a secret's path becomes one without, with the secret's value.
FILE = "_FILE"


def secret_name(spec: Spec) -> str:
    """The Secret with the passwords and addresses."""
    return f"{spec.name}-secrets"


def token_name(spec: Spec) -> str:
    """The Secret with Ray's token."""
    return f"{spec.name}-{TOKEN}"


def config_name(spec: Spec) -> str:
    """The ConfigMap with the configuration of the databases."""
    return f"{spec.name}-config"


def labels(spec: Spec, component: str) -> dict[str, str]:
    """By these its pods are found."""
    return {INSTANCE: spec.name, COMPONENT: component}


def metadata(spec: Spec, name: str, component: str) -> dict[str, Any]:
    return {"name": name, "labels": {**labels(spec, component), **MANAGED_BY}}


def beside(spec: Spec, name: str) -> str:
    """The name of a service beside Ray, which is its host name, too."""
    return f"{spec.name}-{name}"


def variables(spec: Spec, env: Mapping[str, str]) -> list[dict[str, Any]]:
    """An environment as a container has it: secrets come from their Secret, and no file of one is needed."""
    found = []
    for name, value in env.items():
        place, _, key = value.rpartition("/")
        if name == "PGPASSFILE":  # libpq refuses a file that Kubernetes lets a group read
            found.append(_secret("PGPASSWORD", secret_name(spec), POSTGRES))
        elif name == "RAY_AUTH_TOKEN_PATH":
            found.append(_secret("RAY_AUTH_TOKEN", token_name(spec), TOKEN_KEY))
        elif place == SECRETS:
            found.append(_secret(name.removesuffix(FILE), secret_name(spec), key))
        else:
            found.append({"name": name, "value": literally(value)})
    return found


def _secret(name: str, secret: str, key: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def literally(text: str) -> str:
    """Kubernetes puts variables for `$(NAME)`."""
    return text.replace("$(", "$$(")

"""What KubeRay's own schemas, Kubernetes' and Serve's say of the manifests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from daybreak.extras.export.files import Export
from daybreak.extras.export.kuberay.manifests import Wishes
from tests.unit.extras.export.kuberay.samples import EVERYTHING, SERVICE, Object, exported, objects, one

SCHEMAS = Path(__file__).parent / "schemas"
OF_RAY, OF_OTHERS = "ray.io/v1", ("monitoring.coreos.com/v1",)
KUBERNETES = "1.33"
EXPORTS: dict[str, tuple[dict[str, Any], Wishes]] = {
    "nothing": ({}, Wishes()),
    "service": (SERVICE, Wishes()),
    "everything": (EVERYTHING, Wishes()),
    "steps": (SERVICE, Wishes(gateway_class="istio")),
    "job": (EVERYTHING, Wishes(job="python report.py")),
    "elsewhere": (EVERYTHING, Wishes(external=frozenset(("postgres", "redis")))),
    "no workers": ({"workers": {"count": 0}}, Wishes()),
}


@pytest.fixture(params=EXPORTS, scope="module")
def export(request: pytest.FixtureRequest) -> Export:
    given, wishes = EXPORTS[request.param]
    return exported(given, wishes=wishes)


def closed(schema: Any) -> Any:
    """The schema as a server with strict validation reads it: a field that it does not know is an error."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    open_ = schema.get("additionalProperties") or schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("type") == "object" and "properties" in schema and not open_:
        found["additionalProperties"] = False
    return found


def validator(kind: str) -> jsonschema.protocols.Validator:
    schema = json.loads((SCHEMAS / f"{kind.lower()}.v1.schema.json").read_text())
    return jsonschema.Draft202012Validator(closed(schema))


def test_kuberay_accepts_it(export: Export) -> None:
    found = [each for each in objects(export) if each["apiVersion"] == OF_RAY]
    assert len(found) == 1
    validator(found[0]["kind"]).validate(found[0])


def test_a_field_that_kuberay_does_not_know_is_seen() -> None:
    service = one(exported(SERVICE), "RayService")
    service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]["imagePolicy"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="imagePolicy"):
        validator("RayService").validate(service)


def test_kubernetes_accepts_the_rest(export: Export) -> None:
    others = [each for each in objects(export) if each["apiVersion"] not in (OF_RAY, *OF_OTHERS)]
    for each in others:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)
    assert {"Service"} <= {each["kind"] for each in others}


READ = """
import sys, yaml
from ray.serve.schema import ServeDeploySchema
print([app.import_path for app in ServeDeploySchema.parse_obj(yaml.safe_load(sys.stdin)).applications])
"""


@pytest.mark.parametrize("given", [SERVICE, EVERYTHING])
def test_serve_accepts_its_config(given: dict[str, Any]) -> None:
    text = one(exported(given), "RayService")["spec"]["serveConfigV2"]
    done = subprocess.run([sys.executable, "-c", READ], input=text, capture_output=True, text=True, check=False)
    assert done.stdout == "['app:main']\n", done.stderr


def test_no_two_objects_have_one_name(export: Export) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in objects(export)]
    assert len(set(names)) == len(names)


def pods(each: Object) -> list[Object]:
    """Every pod's specification in an object."""
    if isinstance(each, dict):
        own = [each] if "containers" in each else []
        return own + [pod for value in each.values() for pod in pods(value)]
    return [pod for value in each for pod in pods(value)] if isinstance(each, list) else []


def test_every_mount_has_its_volume(export: Export) -> None:
    for each in objects(export):
        claims = [claim["metadata"]["name"] for claim in each.get("spec", {}).get("volumeClaimTemplates", [])]
        for pod in pods(each):
            volumes = {volume["name"] for volume in pod.get("volumes", [])} | set(claims)
            mounts = [mount for container in pod["containers"] for mount in container.get("volumeMounts", [])]
            assert {mount["name"] for mount in mounts} == volumes


def test_every_secret_and_file_that_is_named_is_made(export: Export) -> None:
    files = {file.path: file.text for file in export.files}
    made = yaml.safe_load(files["kustomization.yaml"])
    named: set[tuple[str, str]] = set()

    def walk(content: Any) -> None:
        if isinstance(content, dict):
            if "secretKeyRef" in content:
                named.add((content["secretKeyRef"]["name"], content["secretKeyRef"]["key"]))
            for item in content.get("items", []) if "secretName" in content else []:
                named.add((content["secretName"], item["key"]))
            for value in content.values():
                walk(value)
        for value in content if isinstance(content, list) else []:
            walk(value)

    for each in objects(export):
        walk(each)
    generated = {
        (secret["name"], entry.partition("=")[0])
        for secret in made.get("secretGenerator", [])
        for entry in secret["files"]
    }
    # The user's own are made by the user.
    assert {(secret, key) for secret, key in named if secret != "shop-own"} <= generated
    assert all(path in files for path in made["resources"])
    maps = [path for each in made.get("configMapGenerator", []) for path in each["files"]]
    assert all(path in files for path in maps)
    mounted = {
        mount["subPath"]
        for each in objects(export)
        for pod in pods(each)
        for container in pod["containers"]
        for mount in container.get("volumeMounts", [])
        if mount["name"] == "config"
    }
    assert mounted == {path.removeprefix("config/") for path in maps}

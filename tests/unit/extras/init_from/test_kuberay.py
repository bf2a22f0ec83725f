"""KubeRay's objects as a spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from daybreak.errors import UsageError
from daybreak.extras.init_from.bring import bring, write
from daybreak.extras.init_from.draft import Draft
from daybreak.extras.init_from.kuberay import draft_of_kuberay, is_kuberay
from daybreak.spec import Spec, load_spec
from tests.unit.extras.export.kuberay.samples import EVERYTHING, exported, objects

SERVICE = r"""
apiVersion: ray.io/v1
kind: RayService
metadata: {name: Fruit_Shop}
spec:
  serveConfigV2: |
    applications:
    - {name: fruit, import_path: "fruit:main", route_prefix: /fruit}
  rayClusterConfig:
    rayVersion: "2.52.0"
    enableInTreeAutoscaling: true
    gcsFaultToleranceOptions: {backend: rocksdb, storage: {size: 1Gi}}
    headGroupSpec:
      rayStartParams: {dashboard-host: 0.0.0.0, num-cpus: "0", system-config: "{}"}
      template:
        spec:
          nodeSelector: {disk: ssd}
          containers:
          - name: ray-head
            image: rayproject/ray:2.52.0
            env:
            - {name: GREETING, value: "hello ${x} $$(y)"}
            - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: api}}}
            resources: {limits: {cpu: 2, memory: 2Gi}}
          - {name: logs, image: fluent-bit}
    workerGroupSpecs:
    - groupName: small
      replicas: 2
      minReplicas: 1
      maxReplicas: 5
      rayStartParams: {resources: '"{\"camera\": 2}"', object-store-memory: "500000000"}
      template: {spec: {containers: [{name: ray-worker, resources: {limits: {cpu: 1500m, memory: 3000k}}}]}}
    - groupName: gpu
      replicas: 1
      minReplicas: 1
      maxReplicas: 1
      labels: {kind: gpu}
      resources: {CPU: "4", disk: "3"}
      template: {spec: {containers: [{name: ray-worker, resources: {limits: {nvidia.com/gpu: 1}, requests: {cpu: 3}}}]}}
---
kind: Ingress
metadata: {name: front}
"""


def brought(text: str) -> Draft:
    return draft_of_kuberay(list(yaml.safe_load_all(text)), "shop", "process")


def told(made: Draft) -> str:
    return "\n".join([*made.notes, *(str(fate.to_json()) for fate in made.fates.values())])


def test_a_service_with_two_groups() -> None:
    made = brought(SERVICE)
    assert made.spec["ray"] == {"version": "==2.52.0", "state": "rocksdb"}
    assert made.spec["head"] == {"cpus": 0, "memory": "2Gi", "env": {"GREETING": "hello $${x} $(y)"}}
    assert made.spec["workers"] == {
        "groups": {
            "small": {
                "count": 2,
                "cpus": 2,
                "memory": "3000K",
                "object_store": 500_000_000,
                "resources": {"camera": 2},
            },
            "gpu": {"count": 1, "cpus": 3, "gpus": 1, "resources": {"disk": 3}, "labels": {"kind": "gpu"}},
        }
    }
    assert made.spec["serve"] == {"config": "serve.yaml"}
    assert yaml.safe_load(made.files["serve.yaml"])["applications"][0]["import_path"] == "fruit:main"
    for words in (
        "Autoscaling",
        "from 1 to 5",
        "KEY came from keys",
        "logs",
        "nodeSelector",
        "--system-config",
        "ray:2.52.0",
    ):
        assert words in told(made)
    assert [(fate.service, fate.became or fate.reason) for fate in made.fates.values()] == [
        ("headGroupSpec", "head"),
        ("workerGroupSpecs small", "workers.groups.small"),
        ("workerGroupSpecs gpu", "workers.groups.gpu"),
        ("serveConfigV2", "serve"),
        ("Ingress front", "only Kubernetes has a place for it"),
    ]


def test_it_is_written_beside_the_file_and_loads(tmp_path: Path) -> None:
    file = tmp_path / "rayservice.yaml"
    file.write_text(SERVICE)
    written = write(bring(file, name=None, backend="process"))
    assert [path.name for path in written] == ["daybreak.yaml", "serve.yaml"]
    loaded = load_spec(tmp_path / "daybreak.yaml").spec
    assert (loaded.name, loaded.workers.count) == ("fruit-shop", 3)
    assert loaded.serve.config == "serve.yaml"
    assert loaded.workers.groups["gpu"].resources == {"disk": 3.0}
    (tmp_path / "daybreak.yaml").unlink()
    with pytest.raises(UsageError, match=r"serve\.yaml is there already"):
        write(bring(file, name=None, backend="process"))
    assert not (tmp_path / "daybreak.yaml").exists()


def test_a_job_says_how_it_is_submitted() -> None:
    made = brought(
        "kind: RayJob\nmetadata: {name: nightly}\nspec: {entrypoint: python x.py, rayClusterSpec: {headGroupSpec: {}}}"
    )
    assert made.spec == {"name": "shop", "head": {}, "workers": {"count": 0}}
    assert "daybreak job submit -- python x.py" in told(made)


@pytest.mark.parametrize("resources", ["'{\"a\": 1}'", '{"a": 1}', '"{\\"a\\": 1}"', '{\\"a\\": 1}'])
def test_custom_resources_in_any_quotes(resources: str) -> None:
    head = {"rayStartParams": {"resources": resources}}
    made = draft_of_kuberay([{"kind": "RayCluster", "spec": {"headGroupSpec": head}}], "shop", "process")
    assert made.spec["head"]["resources"] == {"a": 1}


@pytest.mark.parametrize("wrong", [{}, {"spec": None}, {"spec": {"headGroupSpec": [], "workerGroupSpecs": None}}])
def test_what_is_missing_is_left_out(wrong: dict[str, Any]) -> None:
    made = draft_of_kuberay([{"kind": "RayCluster", **wrong}], "shop", "process")
    assert made.spec == {"name": "shop", "head": {}, "workers": {"count": 0}}


def test_other_files_are_not_kuberays() -> None:
    assert not is_kuberay([None, [], {"services": {}}, {"kind": "Deployment"}])


def test_what_was_exported_comes_back() -> None:
    given = Spec.model_validate(EVERYTHING)
    made = draft_of_kuberay(objects(exported(EVERYTHING)), "shop", "process")
    head, workers = made.spec["head"], made.spec["workers"]
    assert (head["cpus"], head["memory"], head["object_store"]) == (2, 2 << 30, given.head.object_store)
    assert head["env"]["PRICE"] == "5$"
    assert (workers["count"], workers["gpus"], workers["resources"]) == (3, 1, {"camera": 1})
    assert workers["labels"] == {"zone": "left"}
    assert made.spec["ray"] == {"version": "==2.60.0", "state": "rocksdb"}

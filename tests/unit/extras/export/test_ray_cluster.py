"""The files for `ray up`: as Ray's own program reads them, and what a shell makes of the commands."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import yaml

from daybreak.errors import UsageError
from daybreak.extras.export.files import Export
from daybreak.extras.export.ray_cluster import Machines, machines_of, ray_cluster
from daybreak.extras.export.target import Target
from daybreak.spec import Spec
from tests.unit.extras.export.samples import EVERYTHING, OLD_RAY, RAY

TARGET = Target("", RAY, base="/srv/shop")
MACHINES = Machines("10.0.0.1", ("10.0.0.2", "10.0.0.3"), "ann")
READ = """
import sys, yaml
from ray.autoscaler._private.util import prepare_config, validate_config
config = prepare_config(yaml.safe_load(sys.stdin))
validate_config(config)
print(config["available_node_types"]["local.cluster.node"]["min_workers"])
"""
# Says what `ray` is started with, in place of Ray.
SHELL = """
cd "$1" && mkdir -p shop-ray/bin
printf 'ray() { [ "$1" = stop ] || printf "%%s\\n" "$PYTHONPATH" "$PRICE" "$@"; }\n' > shop-ray/bin/activate
HOME=$1
ulimit() { :; }
eval "$2"
"""


def exported(given: dict[str, Any], target: Target = TARGET, machines: Machines = MACHINES) -> Export:
    return ray_cluster(Spec.model_validate({"name": "shop", **given}), target, machines, requirements=True)


def document(export: Export) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(next(file.text for file in export.files if file.path == "cluster.yaml"))
    return found


@pytest.mark.parametrize("given", [{}, EVERYTHING])
def test_ray_reads_it(given: dict[str, Any]) -> None:
    text = next(file.text for file in exported(given).files if file.path == "cluster.yaml")
    done = subprocess.run([sys.executable, "-c", READ], input=text, capture_output=True, text=True, check=False)
    assert done.stdout == "2\n", done.stderr


def test_a_shell_starts_ray_as_it_is_meant(tmp_path: Any) -> None:
    head = {"resources": {"it's": 2}, "labels": {"zone": "a b"}, "env": {"PRICE": "5$ 'x'"}, "memory": "1GiB"}
    for line in document(exported({"head": head}))["head_start_ray_commands"]:
        done = subprocess.run(
            ["bash", "-c", SHELL, "bash", str(tmp_path), line], capture_output=True, text=True, check=True
        )
    words = done.stdout.splitlines()
    assert words[:3] == [f"{tmp_path}/shop", "5$ 'x'", "start"]
    assert words[3:5] == ["--head", "--port=6379"]
    assert "--dashboard-host=127.0.0.1" in words
    assert """--resources={"it's": 2.0}""" in words
    assert "--labels=zone=a b" in words
    assert f"--memory={1 << 30}" in words


def test_the_token_travels_as_a_file() -> None:
    export = exported({})
    assert export.secrets == ("ray-token",)
    assert document(export)["file_mounts"] == {"~/shop": "/srv/shop", "~/.ray/auth_token": "secrets/ray-token"}
    old = exported({}, replace(TARGET, ray=OLD_RAY))
    assert old.secrets == ()
    assert "RAY_AUTH_MODE" not in str(document(old))


def test_applications_are_deployed_by_a_second_command() -> None:
    export = exported(EVERYTHING)
    text = next(file.text for file in export.files if file.path == "cluster.yaml")
    assert "#   ray exec cluster.yaml '. ~/shop-ray/bin/activate && serve deploy ~/shop-serve.yaml'" in text
    assert yaml.safe_load(export.files[1].text)["applications"][0]["import_path"] == "app:main"


def test_what_is_not_started_is_told() -> None:
    told = exported({**EVERYTHING, "tls": {"certificate": "c", "key": "k"}}).warnings
    for begin in ("workers.count", "databases.postgres", "databases.redis", "services.api", "services.queue", "tls"):
        assert any(line.startswith(f"{begin}:") for line in told), begin


HOSTS = {"address": "10.0.0.5", "hosts": [{"ssh": "me@10.0.0.7"}, {"ssh": "ssh://me@far:2222", "workers": 2}]}


def test_the_machines_are_those_of_the_spec_unless_others_are_given() -> None:
    spec = Spec.model_validate({"name": "shop", **HOSTS})
    assert machines_of(spec, None, (), None, "i") == Machines("10.0.0.5", ["10.0.0.7", "far"], "me")
    assert machines_of(spec, "a", ("b",), "ann", "i") == Machines("a", ("b",), "ann")
    with pytest.raises(UsageError, match="nobody says which machine has the head"):
        machines_of(Spec.model_validate({"name": "shop"}), None, (), None, "i")
    told = [line for line in exported(HOSTS).warnings if line.startswith("hosts:")]
    assert told == ["hosts: far has one node there, which offers what `workers` itself says"]


def test_the_users_secrets_are_told_to_be_written_there() -> None:
    given = {"secrets": {"api-key": {"file": "key.txt"}}, "serve": {"secrets": ["api-key"]}}
    assert any(line.startswith("serve.secrets: api-key: ") for line in exported(given).warnings)

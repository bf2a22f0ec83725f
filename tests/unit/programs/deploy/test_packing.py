"""Local code in a Serve config: what Ray's schema sees, what is uploaded, and what is said where it cannot be."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from daybreak.programs.deploy import loading, packing


def config(folder: Path, **environment: Any) -> dict[str, Any]:
    deployment = {"name": "App", "ray_actor_options": {"num_cpus": 1, "runtime_env": {"working_dir": str(folder)}}}
    return {
        "http_options": {"port": 1},
        "applications": [
            {"name": "one", "runtime_env": {"working_dir": str(folder), **environment}, "deployments": [deployment]},
            {"name": "two", "runtime_env": {"working_dir": "https://host/code.zip", "env_vars": {"A": "1"}}},
            {"name": "three"},
        ],
    }


class Packer:
    """Stands in for Ray's two functions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[Any, ...]] = []
        for name, key in (("working_dir", "working_dir"), ("py_modules", "py_modules")):
            module = ModuleType(f"ray._private.runtime_env.{name}")
            setattr(module, f"upload_{name}_if_needed", getattr(self, key))
            monkeypatch.setitem(sys.modules, module.__name__, module)

    def working_dir(self, env: dict[str, Any], include_gitignore: bool, scratch_dir: str) -> dict[str, Any]:
        self.asked.append((env["working_dir"], include_gitignore, os.path.isdir(scratch_dir)))
        return {**env, "working_dir": "gcs://_ray_pkg_1.zip"}

    def py_modules(self, env: dict[str, Any]) -> dict[str, Any]:
        """As older ones are: they ask for nothing."""
        modules = env.get("py_modules")
        return {**env, "py_modules": [f"gcs://{Path(m).name}.zip" for m in modules]} if modules else env


@pytest.fixture
def packer(monkeypatch: pytest.MonkeyPatch) -> Packer:
    pytest.importorskip("ray")
    return Packer(monkeypatch)


def test_ray_sees_addresses_while_the_cluster_is_not_there(tmp_path: Path) -> None:
    given = config(tmp_path, py_modules=["s3://b/lib.zip", "/lib"])
    seen = packing.with_placeholders(given)
    one, two, three = seen["applications"]
    assert one["runtime_env"] == {
        "working_dir": packing.PLACEHOLDER,
        "py_modules": ["s3://b/lib.zip", packing.PLACEHOLDER],
    }
    assert one["deployments"][0]["ray_actor_options"]["runtime_env"] == {"working_dir": packing.PLACEHOLDER}
    assert [two, three] == given["applications"][1:]
    assert given["applications"][0]["runtime_env"]["working_dir"] == str(tmp_path)


@pytest.mark.parametrize("broken", [{}, {"applications": 3}, {"applications": [3, {"runtime_env": 3}]}])
def test_what_has_another_form_is_left_to_ray(broken: dict[str, Any]) -> None:
    assert packing.with_placeholders(broken) == broken


def test_local_code_becomes_packages_and_the_rest_stays(tmp_path: Path, packer: Packer) -> None:
    (tmp_path / "lib").mkdir()
    given = config(tmp_path, py_modules=[str(tmp_path / "lib")], env_vars={"A": "1"})
    made = packing.uploaded(given)
    assert made["applications"][0]["runtime_env"] == {
        "working_dir": "gcs://_ray_pkg_1.zip",
        "py_modules": ["gcs://lib.zip"],
        "env_vars": {"A": "1"},
    }
    options = made["applications"][0]["deployments"][0]["ray_actor_options"]
    assert options == {"num_cpus": 1, "runtime_env": {"working_dir": "gcs://_ray_pkg_1.zip"}}
    assert made["applications"][1:] == given["applications"][1:]
    assert packer.asked == [(str(tmp_path), True, True)] * 2


def test_what_is_not_there_is_named_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.pem").touch()
    given = config(tmp_path / "gone", py_modules=["s3://b/lib.zip"])
    given["http_options"] = {"ssl_keyfile": "key.pem", "ssl_certfile": "cert.pem"}
    assert packing.missing(given) == [
        f"application one: runtime_env: there is no {tmp_path}/gone",
        f"application one, deployment App: runtime_env: there is no {tmp_path}/gone",
        f"http_options.ssl_certfile: there is no {tmp_path}/cert.pem",
    ]
    assert packing.missing({"applications": 3, "http_options": 3}) == []


def test_a_config_with_local_code_is_one_that_ray_takes(tmp_path: Path) -> None:
    pytest.importorskip("ray.serve.schema")
    app = {"import_path": "app:main", "runtime_env": {"working_dir": str(tmp_path)}}
    loading.check_config({"applications": [app]}, "serve.yaml")
    app["runtime_env"] = {"working_dir": str(tmp_path / "gone")}
    with pytest.raises(loading.Refused, match=r"^serve.yaml: application default: runtime_env: there is no .*/gone"):
        loading.check_config({"applications": [app]}, "serve.yaml")


def test_a_ray_that_packs_otherwise_is_told_what_works(
    tmp_path: Path, packer: Packer, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["ray._private.runtime_env.working_dir"]
    monkeypatch.setattr(module, "upload_working_dir_if_needed", lambda *, changed: changed)
    with pytest.raises(Exception, match="give the address of a zip file instead"):
        packing.uploaded(config(tmp_path))
    monkeypatch.delattr(module, "upload_working_dir_if_needed")
    with pytest.raises(Exception, match="does not pack local folders; give the address"):
        packing.uploaded(config(tmp_path))

"""Which deployments keep their replicas: those of whose code, arguments and class nothing differs."""

from __future__ import annotations

import pickle
import runpy
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import cloudpickle

from daybreak.programs.deploy.imports import OwnFiles
from daybreak.programs.deploy.sources import digest_of
from daybreak.programs.deploy.unchanged import Unchanged

SOURCES = {"shop_a": "import shop_lib\n", "shop_b": "", "shop_lib": "", "shop_routes": ""}
Deploy = Callable[..., Unchanged]


def subimport(name: str) -> None:
    """By this name cloudpickle writes what a module is."""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


class Module:
    """Is pickled as cloudpickle does with a module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return subimport, (self._name,)


def deployment(name: str, written_in: str, uses: str, *, args: object = (), given: object = None) -> Any:
    """One as Serve has it: its class, sent by value, uses a module, and says in which one it is written."""
    # cloudpickle writes such an identity of the class.
    sent = {"identity": uuid.uuid4().hex, "__module__": written_in, "uses": Module(uses), "given": given}
    config = SimpleNamespace(
        serialized_deployment_def=pickle.dumps(sent),
        serialized_init_args=pickle.dumps(args),
        serialized_init_kwargs=None,
    )
    return SimpleNamespace(name=name, _version=None, _replica_config=config)


@pytest.fixture(name="deploy")
def _deploy(folder: Path) -> Deploy:
    """Deploys A and B again; what they were given differs where it is said."""
    versions: dict[str, Any] = {}

    def deploy(instance: str, *, all_anew: bool = False, **given: Any) -> Unchanged:
        one = Unchanged(str(folder), OwnFiles(str(folder)), {}, (versions.copy(),), instance)
        a, b = deployment("A", "shop_b", "shop_a", **given), deployment("B", "shop_lib", "shop_b")
        one.mark(SimpleNamespace(name="shop", deployments=[a, b]), all_anew=all_anew)
        assert {"A": a._version, "B": b._version} == one.versions["shop"]
        versions.update(one.versions)
        return one

    return deploy


def test_what_differs_in_nothing_keeps_its_version(deploy: Deploy) -> None:
    first = deploy("i1")
    assert first.kept == {"shop": set()}
    assert len(set(first.versions["shop"].values())) == 2
    again = deploy("i2")
    assert again.kept == {"shop": {"A", "B"}}
    assert again.versions == first.versions


@pytest.mark.parametrize("module", ["shop_a", "shop_lib"])
def test_a_file_replaces_those_that_are_made_of_it(deploy: Deploy, folder: Path, module: str) -> None:
    deploy("i1")
    (folder / f"{module}.py").write_text(f"{SOURCES[module]}x = 1\n")
    assert deploy("i2").kept == {"shop": {"B"}}
    assert deploy("i3").kept == {"shop": {"A", "B"}}


def test_so_do_other_arguments_and_what_the_class_was_given(deploy: Deploy) -> None:
    deploy("i1")
    assert deploy("i2", args=(1,)).kept == {"shop": {"B"}}
    assert deploy("i3", args=(1,), given=7).kept == {"shop": {"B"}}


def test_what_an_object_comes_from_counts_although_the_class_does_not_import_it(deploy: Deploy, folder: Path) -> None:
    routes = pickle.dumps(["GET", Module("shop_routes")])  # such as an application that is pickled by itself
    deploy("i1", given=routes)
    (folder / "shop_routes.py").write_text("x = 1\n")
    assert deploy("i2", given=routes).kept == {"shop": {"B"}}


@pytest.mark.parametrize(
    ("does", "made_of"),
    [
        ("import shop_a", {"shop_a.py", "shop_lib.py"}),
        ("from shop_lib import nothing", {"shop_lib.py"}),
        ("return [__import__(name) for name in shop]", {f"{name}.py" for name in SOURCES}),
        ("return shop.eval()", set()),
    ],
)
def test_what_its_methods_import_while_they_run_counts(folder: Path, does: str, made_of: set[str]) -> None:
    (folder / "shop_app.py").write_text(f"class Shop:\n    def answer(self, shop):\n        {does}\n")
    written = runpy.run_path(str(folder / "shop_app.py"), run_name="__main__")
    one = deployment("A", "shop_routes", "json", given=cloudpickle.dumps(written["Shop"]))
    imported = {f"{name}.py": digest_of(str(folder / f"{name}.py")) for name in SOURCES}

    def version(files: dict[str, str]) -> str:
        unchanged = Unchanged(str(folder), OwnFiles(str(folder)), files, (), "i1")
        unchanged.mark(SimpleNamespace(name="shop", deployments=[one]), all_anew=True)
        return unchanged.versions["shop"]["A"]

    before = version(imported)
    assert {name for name in imported if version({**imported, name: "another"}) != before} == made_of


def test_a_restart_replaces_all_of_them_and_the_next_save_keeps_what_it_started(deploy: Deploy) -> None:
    first = deploy("i1")
    restarted = deploy("i2", all_anew=True)
    assert restarted.kept == {"shop": set()}
    assert not set(first.versions["shop"].values()) & set(restarted.versions["shop"].values())
    assert deploy("i3").kept == {"shop": {"A", "B"}}


def test_what_ran_before_something_else_failed_keeps_its_version_again(folder: Path) -> None:
    def version(uses: str, *before: dict[str, dict[str, str]], anew: str) -> str:
        one = Unchanged(str(folder), OwnFiles(str(folder)), {}, before, anew)
        one.mark(SimpleNamespace(name="shop", deployments=[deployment("A", "shop_b", uses)]), all_anew=False)
        return one.versions["shop"]["A"]

    proven = version("shop_a", anew="i1")
    told = version("shop_lib", {"shop": {"A": proven}}, {"shop": {"A": proven}}, anew="i2")
    assert told != proven
    assert version("shop_a", {"shop": {"A": told}}, {"shop": {"A": proven}}, anew="i3") == proven
    assert version("shop_lib", {"shop": {"A": told}}, {"shop": {"A": proven}}, anew="i3") == told


def test_where_ray_has_no_place_for_a_version_it_gives_its_own(folder: Path) -> None:
    one = Unchanged(str(folder), OwnFiles(str(folder)), {}, (), "i1")
    one.mark(SimpleNamespace(name="shop", deployments=[SimpleNamespace(name="A")]), all_anew=False)
    assert one.versions == {"shop": {}}


def test_what_nobody_can_tell_is_replaced(folder: Path) -> None:
    unknown = SimpleNamespace(name="A", _version=None)
    versions: dict[str, dict[str, str]] = {}
    for instance in ("i1", "i2"):
        one = Unchanged(str(folder), OwnFiles(str(folder)), {}, (versions,), instance)
        one.mark(SimpleNamespace(name="shop", deployments=[unknown]), all_anew=False)
        assert unknown._version == f":{instance}"
        versions = one.versions


def test_a_file_counts_as_it_was_imported_whatever_was_saved_since(folder: Path) -> None:
    def made_of(files: dict[str, str]) -> str:
        one = Unchanged(str(folder), OwnFiles(str(folder)), files, (), "i1")
        one.mark(SimpleNamespace(name="shop", deployments=[deployment("A", "shop_b", "shop_a")]), all_anew=True)
        return one.versions["shop"]["A"]

    imported = {f"{name}.py": digest_of(str(folder / f"{name}.py")) for name in SOURCES}
    before = made_of(imported)
    (folder / "shop_lib.py").write_text("x = 1\n")
    assert made_of(imported) == before
    assert made_of({**imported, "shop_lib.py": digest_of(str(folder / "shop_lib.py"))}) != before

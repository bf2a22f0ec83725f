"""Where an application's source sends requests to certain replicas; found without importing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.machine.affinity import MOST_FILES, find_affinity
from daybreak.spec.model import Spec

MULTIPLEXED = """\
from ray import serve


@serve.deployment
class Models:
    @serve.multiplexed(max_num_models_per_replica=3)
    async def get(self, name): ...
"""


def write(base: Path, **files: str) -> Path:
    """Files named like `shop_models` for shop/models.py, `shop_init` for shop/__init__.py."""
    for name, text in files.items():
        file = base / f"{name.replace('_', '/').replace('init', '__init__')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return base


def found(base: Path, path: str = "app:main", config: dict[str, Any] | None = None) -> str:
    serve: dict[str, Any] = {"config": "conf/serve.yaml"} if config else {"applications": [{"import": path}]}
    return find_affinity(Spec.model_validate({"name": "shop", "serve": serve}), base, config)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MULTIPLEXED, "app.py:6 (serve.multiplexed)"),
        ("from ray.serve import multiplexed\n@multiplexed()\ndef f(): ...", "app.py:2 (multiplexed)"),
        ("x = serve.deployment(request_router_config=R)", "app.py:1 (request_router_config)"),
        ("# serve.multiplexed would be nice", ""),
        ("handle.options(multiplexed_model_id='a')", ""),
        ("", ""),
    ],
)
def test_the_application_itself(tmp_path: Path, text: str, expected: str) -> None:
    assert found(write(tmp_path, app=text)) == expected


@pytest.mark.parametrize(
    "line",
    [
        "import shop.models",
        "import os, shop.models as m",
        "from shop import models",
        "from shop.models import Models",
        "from shop import (\n    other,\n    models,\n)",
        "if True:\n    from shop.models import Models",
    ],
)
def test_what_it_imports_from_its_own_folder(tmp_path: Path, line: str) -> None:
    write(tmp_path, app=line, shop_init="", shop_models=MULTIPLEXED, unused=MULTIPLEXED)
    assert found(tmp_path) == "shop/models.py:6 (serve.multiplexed)"


@pytest.mark.parametrize("line", ["from . import models", "from .models import Models", "from ..shop.models import M"])
def test_relative_imports(tmp_path: Path, line: str) -> None:
    write(tmp_path, top_shop_app=line, top_shop_models=MULTIPLEXED)
    assert found(tmp_path, "top.shop.app:main") == "top/shop/models.py:6 (serve.multiplexed)"


def test_what_nobody_imports_does_not_count(tmp_path: Path) -> None:
    assert found(write(tmp_path, app="import json, numpy", tests_it=MULTIPLEXED)) == ""
    assert found(tmp_path, "not.there:main") == ""


def test_the_code_that_a_config_names(tmp_path: Path) -> None:
    write(tmp_path, conf_code_inner=MULTIPLEXED, libs_mine_init=MULTIPLEXED)
    app = {"import_path": "inner:main", "runtime_env": {"working_dir": "code"}}
    assert found(tmp_path, config={"applications": [app]}) == "conf/code/inner.py:6 (serve.multiplexed)"
    app = {
        "import_path": "mine.main",
        "runtime_env": {"working_dir": "https://x/y.zip", "py_modules": ["../libs/mine"]},
    }
    assert found(tmp_path, config={"applications": [app]}).startswith("conf/../libs/mine/__init__.py:6")
    assert found(tmp_path, config={"applications": None}) == ""


def test_circles_end_and_a_large_source_is_not_read_for_ever(tmp_path: Path) -> None:
    write(tmp_path, app="import other", other="import app")
    assert found(tmp_path) == ""
    chain = {f"m{number}": f"import m{number + 1}" for number in range(MOST_FILES + 5)}
    write(tmp_path, **chain, **{f"m{MOST_FILES + 5}": MULTIPLEXED})
    assert found(tmp_path, "m0:main") == ""

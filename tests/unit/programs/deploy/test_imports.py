"""What a module is made of, by the source alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.programs.deploy.imports import OwnFiles


def write(folder: Path, **sources: str) -> OwnFiles:
    for name, text in sources.items():
        file = folder / (name.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return OwnFiles(str(folder))


def behind(folder: Path, files: OwnFiles, module: str, everything: set[str] | None = None) -> list[str]:
    return sorted(str(Path(file).relative_to(folder)) for file in files.behind({module}, lambda: everything or set()))


@pytest.mark.parametrize(
    "line",
    [
        "import prices",
        "import prices as p, json",
        "from prices import cost",
        "def f():\n    from prices import cost",
        "try:\n    import prices\nexcept ImportError:\n    prices = None",
    ],
)
def test_what_is_imported_anywhere_counts_and_what_that_imports(tmp_path: Path, line: str) -> None:
    files = write(tmp_path, app=line, prices="import taxes", taxes="import os", other="import app")
    assert behind(tmp_path, files, "app") == ["app.py", "prices.py", "taxes.py"]


def test_packages_run_with_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("from . import defaults")
    files = write(
        tmp_path,
        app="from shop import cart",
        shop__defaults="",
        shop__cart="from .lines import line\nfrom ..never import x",
        shop__lines="import shop.prices",
        shop__prices="",
        shop__unused="",
    )
    names = ["__init__", "cart", "defaults", "lines", "prices"]
    assert behind(tmp_path, files, "app") == ["app.py", *(f"shop/{name}.py" for name in names)]


def test_imports_in_a_circle_end(tmp_path: Path) -> None:
    assert behind(tmp_path, write(tmp_path, a="import b", b="import a"), "a") == ["a.py", "b.py"]


@pytest.mark.parametrize(
    "line",
    ["import importlib\nimportlib.import_module(name)", "__import__(name)", "exec(text)", "def broken(:"],
)
def test_what_may_import_anything_is_made_of_everything(tmp_path: Path, line: str) -> None:
    files = write(tmp_path, app="import plugins", plugins=line, other="")
    everything = {str(tmp_path / "other.py")}
    assert behind(tmp_path, files, "app", everything) == ["app.py", "other.py", "plugins.py"]


def test_a_method_called_eval_imports_nothing(tmp_path: Path) -> None:
    assert behind(tmp_path, write(tmp_path, app="model.eval()"), "app", {str(tmp_path / "other.py")}) == ["app.py"]


def test_what_is_installed_is_not_own(tmp_path: Path) -> None:
    assert behind(tmp_path, write(tmp_path, app="import json, numpy.linalg"), "app") == ["app.py"]

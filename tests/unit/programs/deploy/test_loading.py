"""Applications are imported and built as `serve run` does, and what is wrong is said in the user's lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

# Ray's own import warns of what it does itself.
pytestmark = pytest.mark.filterwarnings("ignore")

APPLICATION = """
from __future__ import annotations

from pydantic import BaseModel
from ray import serve


@serve.deployment
class Answer:
    def __init__(self, size: int = 1) -> None:
        self.size = size

    def __call__(self) -> int:
        return self.size


class Args(BaseModel):
    size: int


class Names:
    main = Answer.bind()


main = Answer.bind()


def build(args: Args):
    assert isinstance(args, Args)
    return Answer.bind(args.size)


def build_plain(args):
    return Answer.bind(args["size"])


def nothing(args):
    return None


def broken(args):
    return helper(args)


def helper(args):
    raise RuntimeError("no model")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An application's folder, from which modules are imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def write(folder: Path, text: str, name: str = "shop") -> None:
    (folder / f"{name}.py").write_text(dedent(text))


def loaded(path: str, **args: Any) -> Any:
    from daybreak.programs.deploy import loading

    return loading.load({"import": path, "args": args})


def why(path: str, **args: Any) -> Any:
    from daybreak.programs.deploy.loading import Refused

    with pytest.raises(Refused) as refused:
        loaded(path, **args)
    return refused.value


@pytest.mark.parametrize("path", ["shop:main", "shop.main", "shop:Names.main"])
def test_every_way_to_write_an_import_path(folder: Path, path: str) -> None:
    from ray import serve

    write(folder, APPLICATION)
    assert isinstance(loaded(path), serve.Application)


def test_a_builder_whose_annotations_are_postponed_gets_its_model(folder: Path) -> None:
    write(folder, APPLICATION)
    loaded("shop:build", size=3)
    loaded("shop:build_plain", size=3)
    assert why("shop:build").reason == "the args of shop:build do not fit Args: size: Field required"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("shop:Answer", "shop:Answer is a deployment, not an application: write `main = Answer.bind()` below it"),
        ("shop:Names", "shop:Names is neither an application (X.bind()) nor a function that returns one"),
        ("shop:nothing", "shop:nothing returned NoneType, not an application (X.bind())"),
        ("shop:mine", "shop.py has no 'mine'; its applications: main"),
        ("shops:main", "shops:main cannot be imported: there is no module shops in "),
        ("shop:broken", "shop:broken fails as it builds the application: RuntimeError: no model ("),
    ],
)
def test_what_is_wrong_is_the_first_line(folder: Path, path: str, reason: str) -> None:
    write(folder, APPLICATION)
    assert reason in why(path).reason


def test_args_belong_to_builders(folder: Path) -> None:
    write(folder, APPLICATION)
    assert "args can only go to a builder" in why("shop:main", size=1).reason


def test_an_error_has_its_place_in_front_and_only_the_users_frames(folder: Path) -> None:
    write(folder, "import helper\n")
    write(folder, "def prepare():\n    return modle\n\nprepare()\n", "helper")
    refused = why("shop:main")
    assert refused.reason == "shop:main cannot be imported: NameError: name 'modle' is not defined (helper.py:2)"
    places = [line for line in refused.lines if ".py:" in line]
    assert [place.split(",")[0] for place in places] == ["shop.py:1", "helper.py:4", "helper.py:2"]


def test_a_module_that_the_application_lacks_is_named_with_its_line(folder: Path) -> None:
    write(folder, "\nimport no_such_library\n")
    reason = why("shop:main").reason
    assert "No module named 'no_such_library'" in reason
    assert reason.endswith("(shop.py:2)")


def test_a_program_that_ends_at_its_import_is_refused(folder: Path) -> None:
    write(folder, "import sys\nsys.exit('usage')\n")
    assert "it calls sys.exit('usage')" in why("shop:main").reason


def test_a_config_is_checked_by_rays_own_schema() -> None:
    from daybreak.programs.deploy.loading import Refused, check_config

    check_config({"applications": [{"import_path": "shop:main"}]}, "serve.yaml")
    with pytest.raises(Refused, match=r"serve.yaml is no config that Ray takes: .*proxy_location"):
        check_config({"proxy_location": "HeadOnyl", "applications": [{"import_path": "shop:main"}]}, "serve.yaml")
    with pytest.raises(Refused, match=r"applications\[0\].deployments\[0\].*num_replicas"):
        wrong = {"name": "Answer", "num_replicas": -1}
        check_config({"applications": [{"import_path": "shop:main", "deployments": [wrong]}]}, "serve.yaml")

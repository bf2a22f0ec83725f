"""The applications whose code is saved, as texts. Every answer tells the version of the code."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.commands import BENCH_BIN, BIN

PARTS = 9
SPEC = {"serve": {"applications": [{"import": "app:main"}]}, "prometheus": False, "grafana": False}
VERSION = 'VERSION = "{}"\n'
DEPLOYMENT = 'max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.1}'
# What Serve runs of an application of FastAPI, which uvicorn runs as it is.
SERVED = f"""\
from ray import serve

import shop


@serve.deployment({DEPLOYMENT})
@serve.ingress(shop.api)
class Shop:
    pass


main = Shop.bind()
"""
ROUTES = """

api = FastAPI()


@api.get("/short")
async def short() -> Response:
    return Response({version}, headers={{"X-Version": {version}}})
"""
TRIVIAL = "from fastapi import FastAPI, Response\n\n" + VERSION + ROUTES.format(version="VERSION")
HEAVY = (
    "import pandas\nfrom fastapi import FastAPI, Response\nfrom sklearn.linear_model import LinearRegression\n\n"
    "import prices\n\n"
    'TABLE = pandas.DataFrame({"x": [0.0, 1.0, 2.0], "y": [1.0, 3.0, 5.0]})\n'
    'MODEL = LinearRegression().fit(TABLE[["x"]], TABLE["y"])\n' + ROUTES.format(version="prices.VERSION")
)
MODULES = "\n".join(f"import part{number}" for number in range(1, PARTS + 1))
LISTED = ", ".join(f"part{number}" for number in range(1, PARTS + 1))
TEN = f"""\
import os

from fastapi import FastAPI, Response
from ray import serve

{MODULES}

api = FastAPI()


def part(number, module):
    @serve.deployment(name=f"Part{{number}}", {DEPLOYMENT})
    class Part:
        async def __call__(self):
            return module.VERSION, os.getpid()

    return Part.bind()


@serve.deployment({DEPLOYMENT})
@serve.ingress(api)
class Front:
    def __init__(self, *parts):
        self.parts = parts

    @api.get("/short")
    async def short(self) -> Response:
        version, _ = await self.parts[0].remote()
        return Response(version, headers={{"X-Version": version}})

    @api.get("/pids")
    async def pids(self) -> list[int]:
        return [os.getpid(), *[(await one.remote())[1] for one in self.parts]]


main = Front.bind(*[part(number, module) for number, module in enumerate([{LISTED}], 1)])
"""
# As people write them.
PLAIN_TESTS = """\
import pytest
import ray
import requests
from ray import serve

from app import main


@pytest.mark.parametrize("number", range(10))
def test_it_answers(number):
    ray.init(num_cpus=2)
    try:
        serve.run(main)
        assert requests.get("http://127.0.0.1:8000/short", timeout=10).headers["X-Version"] == "1"
    finally:
        serve.shutdown()
        ray.shutdown()
"""
PLUGIN_TESTS = """\
import pytest


@pytest.mark.parametrize("number", range(10))
def test_it_answers(number, daybreak_app):
    assert daybreak_app("app:main").get("/short").headers["X-Version"] == "1"
"""


@dataclass(frozen=True)
class Code:
    """One application: its files, and the one that is saved, in which `{}` is the version. `programs` are those of the
    environment that it runs in, where `modules` must be installed. `parts`: it tells the pids of its deployments, too.
    """

    name: str
    title: str
    files: Mapping[str, str]
    saved: str
    modules: tuple[str, ...] = ()
    programs: Path = BIN
    parts: bool = False

    def missing(self) -> str | None:
        """Why it cannot run here, if so."""
        python = self.programs / "python"
        if not self.modules:
            return None
        try:
            done = subprocess.run([python, "-c", f"import {', '.join(self.modules)}"], capture_output=True, check=False)
            return f"{python} cannot import {' and '.join(self.modules)}: make setup-bench" if done.returncode else None
        except OSError:
            return f"there is no {python}: make setup-bench"

    def write(self, folder: Path) -> None:
        """Everything, in version 1."""
        (folder / "daybreak.yaml").write_text(yaml.safe_dump(SPEC))
        for name, text in self.files.items():
            (folder / name).write_text(text)
        self.save(folder, "1")

    def save(self, folder: Path, version: str, *, broken: bool = False) -> None:
        """The one file, as an editor does it: another file renamed over it. `broken`: it is no Python."""
        text = self.files[self.saved].replace(VERSION, VERSION.format(version))
        new = folder / f"{self.saved}.new"
        new.write_text(text + ("broken = (\n" if broken else ""))
        new.replace(folder / self.saved)


TRIVIAL_CODE = Code("trivial", "trivial application", {"app.py": SERVED, "shop.py": TRIVIAL}, "shop.py")
HEAVY_CODE = Code(
    "heavy",
    "application with pandas and scikit-learn, its own module",
    {"app.py": SERVED, "shop.py": HEAVY, "prices.py": VERSION},
    "prices.py",
    modules=("pandas", "sklearn"),
    # Ray itself is slower where pandas is installed: everything else is measured without.
    programs=BENCH_BIN,
)
TEN_CODE = Code(
    "ten",
    "ten deployments, a file of one of them",
    {"app.py": TEN, **{f"part{number}.py": VERSION for number in range(1, PARTS + 1)}},
    "part1.py",
    parts=True,
)

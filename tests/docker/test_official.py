"""Built on an image that is laid out like the official ones, with Ray 2.20.0."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.docker import labels
from daybreak.docker.docker_cli import Client
from tests.docker.clusters import docked
from tests.docker.conftest import ROOT
from tests.docker.helpers import HEALTH, Project, container, succeeds, tag
from tests.helpers import until
from tests.integration.conftest import APP

pytestmark = pytest.mark.slow


def test_the_versions_of_the_base_are_taken_over(engine: Client, official: str, tmp_path: Path) -> None:
    project = Project(tmp_path, engine, tag("official"), ROOT / "constraints")
    (tmp_path / "requirements.txt").write_text("tabulate\n")
    built = project.build("--base", official, constraints="")
    try:
        assert built["ray"]["version"] == "2.20.0"
        found = labels.ray_of(engine.inspect(project.tag)["Config"]["Labels"])
        assert found == built["ray"]
        versions = "import fastapi, importlib.metadata as m, sys; print(m.version('fastapi'), m.version('pydantic'))"
        there = engine.ask("run", "--rm", "--network", "none", official, "python", "-c", versions)
        assert project.run("python", "-c", versions) == there
        assert project.run("python", "-c", "import ray, tabulate; print(ray.__version__)") == "2.20.0"
        assert project.run("id", "-u") == "1000"
        command = ("ray", "start", "--head", "--block", "--num-cpus=1", "--disable-usage-stats")
        with container(engine, project.tag, *command, options=("--shm-size", "256m", "--network", "none")) as head:
            until(lambda: succeeds(engine, head, *HEALTH), what="healthy")
    finally:
        project.remove()


def test_a_cluster_runs_in_an_image_that_has_only_ray(engine: Client, official: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # the image's account reads the code
    with docked(tmp_path, engine) as made:
        made.sandbox.write(
            f"""
backend: docker
docker: {{image: "{official}", mount_code: true}}
workers: {{count: 1}}
serve: {{applications: [{{import: "app:main"}}], health: /health}}
""",
            app_py=APP,
        )
        made.sandbox.run("up")
        assert made.sandbox.status()["ray"] == "2.20.0"
        assert made.sandbox.get("/")["pid"]
        code = "import ray; ray.init(log_to_driver=False); print(len(ray.nodes()), 'nodes')"
        assert "2 nodes" in made.sandbox.run("run", "--", "python", "-c", code).stdout
        (tmp_path / "app.py").write_text(APP.replace('{"pid": os.getpid()}', '{"changed": True}'))
        made.sandbox.run("restart")
        assert made.sandbox.get("/") == {"changed": True}
        assert "worker-1/raylet.out" in made.sandbox.run("logs", "--all").stdout

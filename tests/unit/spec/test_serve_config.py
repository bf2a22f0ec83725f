"""What people take for a Serve config, and what Ray finds out too late, is told with its line and a way out."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from daybreak.errors import SpecError
from daybreak.machine.survey import read_serve_config
from daybreak.spec.document import parse_document
from daybreak.spec.load import load_spec
from daybreak.spec.model import Spec
from daybreak.spec.serve_config import ports, problems

APP = "applications:\n- import_path: app:main\n"
MANIFEST = """
    apiVersion: ray.io/v1
    kind: RayService
    spec:
      serveConfigV2: |
        applications:
        - import_path: app:main
"""


def told(text: str) -> list[str]:
    return [str(problem) for problem in problems(parse_document(dedent(text), "serve.yaml"))]


def test_a_config_as_ray_takes_it() -> None:
    assert told(APP) == []
    text = """
        proxy_location: EveryNode
        http_options: {host: 0.0.0.0, port: 8000}
        grpc_options: {port: 9000, grpc_servicer_functions: [a.b]}
        applications:
        - {name: a, route_prefix: /, import_path: app.main}
        - {name: b, route_prefix: null, import_path: "app:Names.main"}
        - {name: c, route_prefix: null, import_path: app:build, args: {x: 1}}
    """
    assert told(text) == []


def test_a_manifest_of_kuberay_with_the_way_out() -> None:
    (words,) = told(MANIFEST)
    assert words.startswith("serve.yaml:3: kind: is a manifest of Kubernetes (RayService), not a Serve config")
    assert "below spec.serveConfigV2 into a file of its own" in words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("applications:\n", "serve.yaml:1: applications: lists no application"),
        ("applications: []\n", "serve.yaml:1: applications: lists no application"),
        ("applications: app:main\n", "serve.yaml:1: applications: give a list of applications"),
        ("http_options: {}\n", "serve.yaml:1: has no `applications`, so it is not a Serve config"),
        ("import_path: app:main\n", "serve.yaml:1: import_path: is a config of one application"),
        (
            f"{APP}http_options: {{port: abc}}\n",
            "serve.yaml:3: http_options.port: give a port from 1 to 65535, not 'abc'",
        ),
        (f"{APP}grpc_options: {{port: 0}}\n", "serve.yaml:3: grpc_options.port: give a port from 1 to 65535, not 0"),
        (f"{APP}http_options: 8000\n", "serve.yaml:3: http_options: give a mapping of keys to values"),
        (
            f"{APP}proxy_location: HeadOnyl\n",
            "yaml:3: proxy_location: must be one of HeadOnly, EveryNode",
        ),
        (f"{APP}  route_prefix: /x/\n", "serve.yaml:3: applications[0].route_prefix: must begin with '/' and not end"),
        (f"{APP}- import_path: b:c\n  name: b\n", "serve.yaml:3: applications[1].route_prefix: / is also that of"),
        (
            f"{APP}- {{import_path: b:c, route_prefix: /b}}\n",
            "applications[1].name: default is also that of",
        ),
        ("applications: [{name: a}]\n", "applications[0].import_path: is required"),
        ("applications: [{import_path: app}]\n", "applications[0].import_path: give module:attribute"),
        ("applications: [app:main]\n", "applications[0]: give a mapping with `import_path`"),
    ],
)
def test_what_is_wrong_has_its_line(text: str, words: str) -> None:
    (problem,) = told(text)
    assert words in problem


def test_everything_at_once_in_the_files_order() -> None:
    text = f"proxy_location: x\n{APP}  route_prefix: x/{{y}}/\nhttp_options: {{port: 99999}}\n"
    assert [words.split(":")[1] for words in told(text)] == ["1", "4", "5"]
    assert "(write /x)" in told(text)[1]


def test_the_ports_that_a_config_means() -> None:
    assert ports({"http_options": {"port": 8100}}) == {("http_options", "port"): 8100}
    assert ports({"grpc_options": {"grpc_servicer_functions": ["a.b"]}}) == {("grpc_options", "port"): 9000}
    assert ports({"grpc_options": {"port": 9100}, "http_options": {"port": "x"}}) == {}


def test_its_ports_are_compared_with_the_others_of_the_spec(tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text(
        f"{APP}http_options: {{port: 8265}}\ngrpc_options: {{port: 9100, grpc_servicer_functions: [a.b]}}\n"
    )
    spec = tmp_path / "daybreak.yaml"
    spec.write_text("name: a\nserve: {config: serve.yaml}\nservices: {s: {command: [x], ports: [9100, 8000]}}\n")
    with pytest.raises(SpecError) as error:
        load_spec(spec)
    assert [(problem.key, problem.message) for problem in error.value.problems] == [
        ("ports.dashboard", "port 8265 is already taken by http_options.port of serve.yaml"),
        ("services.s.ports[0]", "port 9100 is already taken by grpc_options.port of serve.yaml"),
    ]


def test_a_file_that_has_changed_meanwhile_is_refused_when_it_is_read(tmp_path: Path) -> None:
    spec = Spec.model_validate({"name": "a", "serve": {"config": "serve.yaml"}})
    (tmp_path / "serve.yaml").write_text(APP)
    assert read_serve_config(spec, tmp_path) == {"applications": [{"import_path": "app:main"}]}
    (tmp_path / "serve.yaml").write_text("applications:\n")
    with pytest.raises(SpecError, match="lists no application"):
        read_serve_config(spec, tmp_path)

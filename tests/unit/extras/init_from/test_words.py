"""How Compose files write variables, commands, ports, checks and images, and what is made of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.extras.init_from.dockerfile import build_of
from daybreak.extras.init_from.health import check_of
from daybreak.extras.init_from.ports import Port, ports_of
from daybreak.extras.init_from.words import Words, commands, split

WORDS = Words({"SET": "s", "PORT": "80"}.get)


@pytest.mark.parametrize(
    ("written", "in_spec"),
    [
        ("$SET/x", "${SET}/x"),
        ("${SET}", "${SET}"),
        ("${SET:?why not}", "${SET}"),
        ("$GONE", "${GONE:-}"),
        ("${GONE?}", "${GONE:-}"),
        ("${GONE:-a}", "${GONE:-a}"),
        ("$$HOME $${X} $$(date) $$", "$$HOME $${X} $(date) $"),
        ("50%", "50%"),
    ],
)
def test_variables(written: str, in_spec: str) -> None:
    assert WORDS.in_spec(written) == in_spec


def test_a_default_is_not_split() -> None:
    assert split("echo ${A:-b c} 'd e'") == ("echo", "${A:-b c}", "d e")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ray", "start"], [("ray", "start")]),
        (["sh", "-c", "a && b || c; d | e &\n f"], [("a",), ("b",), ("c",), ("d",), ("e",), ("f",)]),
        (["/bin/bash", "-lc", "X=1 exec ray start \\\n --head"], [("ray", "start", "--head")]),
        (["tini", "--", "bash", "-c", "# why\nrun 'a; b'"], [("run", "a; b")]),
        (["bash", "-c", "it's broken"], [("it's", "broken")]),
        ([], []),
    ],
)
def test_commands(words: list[str], found: list[tuple[str, ...]]) -> None:
    assert commands(words) == found


@pytest.mark.parametrize(
    ("written", "ports"),
    [
        ("80", [Port(80, None)]),
        (8000, [Port(8000, None)]),
        ("8080:80/tcp", [Port(80, 8080)]),
        ("127.0.0.1:8080:80", [Port(80, 8080)]),
        ("9000-9001:8000-8001", [Port(8000, 9000), Port(8001, 9001)]),
        ({"target": 80, "published": "8080"}, [Port(80, 8080)]),
        ("${OTHER:-81}:${PORT}", [Port(80, 81)]),
        ("what", []),
    ],
)
def test_ports(written: Any, ports: list[Port]) -> None:
    assert list(ports_of([written], WORDS)) == ports


@pytest.mark.parametrize(
    ("test", "check"),
    [
        (["CMD", "curl", "-f", "http://localhost:80/x"], {"http": "http://127.0.0.1:80/x"}),
        ("wget -q --spider http://127.0.0.1:80 || exit 1", {"http": "http://127.0.0.1:80"}),
        ("nc -z localhost 80", {"tcp": 80}),
        (["CMD", "grpc_health_probe", "-addr=localhost:81"], {"grpc": "127.0.0.1:81"}),
        ("test -f x", {"command": ["sh", "-c", "test -f x"]}),
        (["CMD", "test", "-f", "x"], {"command": ["test", "-f", "x"]}),
        (["NONE"], None),
    ],
)
def test_checks(test: Any, check: Any) -> None:
    assert check_of({"test": test}) == check


def test_a_dockerfile_of_stages(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM --platform=linux/amd64 python:3.12 AS base\nWORKDIR /srv\nENV A=1 B='x y'\n"
        'FROM base AS web\nWORKDIR app\nENTRYPOINT ["python", "-m"]\nCMD ["web", \\\n  "--now"]\n'
        "FROM base AS last\nCMD run it $PORT\n"
    )
    web = build_of({"context": ".", "target": "web"}, tmp_path, WORDS)
    assert (web.entrypoint, web.command, web.working_dir) == (("python", "-m"), ("web", "--now"), "/srv/app")
    assert (web.base, dict(web.environment)) == ("python:3.12", {"A": "1", "B": "x y"})
    assert build_of(".", tmp_path, WORDS).command == ("sh", "-c", "run it $PORT")
    assert build_of("nowhere", tmp_path, WORDS).found is False
    assert build_of({"dockerfile_inline": "FROM x\nCMD y"}, tmp_path, WORDS).command == ("sh", "-c", "y")

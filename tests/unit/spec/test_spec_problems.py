"""Values that are wrong: all of them at once, with line, key, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daybreak.errors import Problem
from daybreak.spec.load import LoadedSpec

Load = Callable[..., LoadedSpec]
Problems = Callable[..., tuple[Problem, ...]]

EVERYTHING_WRONG = """\
name: Bad_Name
ray:
  version: 2.20
workers:
  memroy: 2GiB
  cpus: -1
  count: 3.5
  memory: lots
serve:
  applications:
    - import: app
      routee: /x
    - name: foo
databases:
  redis: true
services:
  api:
    command: python api.py --x 'a b'
    needs: [postgress]
    restart: sometimes
  head:
    command: [x]
    cwd: nowhere
    env: {PORT: 8000}
  web: {}
  Foo:
    command: [x]
ports:
  dashboard: "80"
  gcs: 99999
replicas: 3
count: 3
count: 4
health:
  interval: .nan
  retries: true
listen:
"""


def test_every_problem_at_once(problems: Problems, tmp_path: Path) -> None:
    found = [(problem.line, problem.key, problem.message, problem.hint) for problem in problems(EVERYTHING_WRONG)]
    name_rule = (
        "use at most 40 lower-case letters, digits and '-', beginning and ending with a letter or digit, "
        "such as my-cluster; not "
    )
    assert found == [
        (1, "name", name_rule + "'Bad_Name'", None),
        (3, "ray.version", "give text", "put it in quotes: '2.20'"),
        (5, "workers.memroy", "unknown key", "did you mean 'memory'?"),
        (
            6,
            "workers.cpus",
            "give a number of CPUs such as 2, 0.5 or 500m (thousandths), or all or share; not -1",
            None,
        ),
        (7, "workers.count", "give a whole number, not 3.5", None),
        (
            8,
            "workers.memory",
            "give a size such as 2GiB, 512MiB, 2GB or a whole number of bytes; not 'lots'",
            None,
        ),
        (11, "serve.applications[0].import", "give module:attribute, such as app:main; not 'app'", None),
        (12, "serve.applications[0].routee", "unknown key", "did you mean 'route'?"),
        (13, "serve.applications[1].import", "is required", None),
        (15, "databases.redis", "give a mapping of keys to values, not true", "write redis: {}"),
        (18, "services.api.command", "give a list", 'write [python, api.py, --x, "a b"]'),
        (19, "services.api.needs[0]", "no service is called 'postgress'", "did you mean 'postgres'?"),
        (20, "services.api.restart", "must be one of always, on-failure, never; not 'sometimes'", None),
        (21, "services.head", "is the name of something that daybreak starts itself", "choose another name"),
        (23, "services.head.cwd", f"no such folder: {tmp_path}/shop/nowhere", None),
        (24, "services.head.env.PORT", "give text", "put it in quotes"),
        (25, "services.web.command", "is required", None),
        (26, "services.Foo", name_rule + "'Foo'", None),
        (29, "ports.dashboard", "give a whole number, not '80'", "write it without quotes"),
        (30, "ports.gcs", "must be at most 65535, not 99999", None),
        (31, "replicas", "unknown key", "did you mean 'workers.count'?"),
        (33, "count", "written twice, first on line 32", None),
        (33, "count", "unknown key", "did you mean 'workers.count'?"),
        (35, "health.interval", "give a duration such as 5s, 250ms, 1m30s or a number of seconds; not nan", None),
        (36, "health.retries", "give a whole number, not true", None),
        (37, "listen", "has no value", None),
    ]


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("workers.replicas", "did you mean 'count'?"),
        ("workers.num_cpus", "did you mean 'cpus'?"),
        ("workers.num-gpus", "did you mean 'gpus'?"),
        ("head.CPUS", "did you mean 'cpus'?"),
        ("serve.app", "did you mean 'applications'?"),
        ("databases.postgresql", "did you mean 'postgres'?"),
        ("services.api.depends_on", "did you mean 'needs'?"),
        ("services.api.environment", "did you mean 'env'?"),
        ("services.api.healthcheck", "did you mean 'check'?"),
        ("services.api.check.port", "did you mean 'tcp'?"),
        ("postgres", "did you mean 'databases.postgres'?"),
        ("ray.qqqq", "known keys: version, python, client, autoscaler_monitor, auth, dashboard_modules, tls, state"),
    ],
)
def test_unknown_keys_are_explained(problems: Problems, path: str, hint: str) -> None:
    text = "name: a\n"
    parts = path.split(".")
    for depth, part in enumerate(parts):
        text += "  " * depth + f"{part}:{' 1' if depth == len(parts) - 1 else ''}\n"
    found = {problem.key: problem for problem in problems(text)}
    assert (found[path].message, found[path].hint, found[path].line) == ("unknown key", hint, len(parts) + 1)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("services: {a: {command: []}}", "must not be empty", None),
        ("services: {a: {command: [x], needs: postgres}}", "must be a list of names, such as [postgres]", None),
        ('services: {a: {command: "x \'y"}}', "give a list", "write [x 'y]"),
        ("services: {a: {command: [x], check: {}}}", "give exactly one of tcp, http, command, grpc", None),
        ("services: {a: {command: [x], check: {http: localhost}}}", "must be a URL such as", None),
        ("services: {a: {command: [x], check: {http: 'http://127.0.0.1:99999/'}}}", "a port up to 65535", None),
        ("services: {a: {command: [x], check: {http: 'http:///health'}}}", "must be a URL with a host", None),
        ("services: {a: {command: [x], check: {http: 'http://[::1/'}}}", "must be a URL with a host", None),
        ("services: {a: {command: [x], check: {http: 'http://a/b c'}}}", "must be a URL with a host", None),
        ("services: {a: {command: [x, 1]}}", "give text", "put it in quotes: '1'"),
        ("services: {a: }", "has no value", None),
        ("serve: {applications: app:main}", "give a list", "write [{import: app:main}]"),
        ("serve: {health: health}", "must begin with '/', such as /api; not 'health'", None),
        (
            "serve: {applications: [{import: a:b}, {import: c:d}]}",
            "the same name: default; two applic",
            None,
        ),
        (
            "serve: {applications: [{import: a:b}], config: x}",
            "give either applications or config, not both",
            None,
        ),
        ("databases: {postgres: {settings: {a: [1]}}}", "give text, a number, true or false", None),
        ("databases: {postgres: {database: My-Data}}", "use lower-case letters, digits and '_'", None),
        ("{backend: docker, services: {a: {image: b, volumes: [x]}}}", "give NAME:/path for a volume, or ./fo", None),
        ("{backend: docker, services: {a: {image: 'a b'}}}", "give an image such as postgres:15; not 'a b'", None),
        ("backend: kubernetes", "must be one of process, docker; not 'kubernetes'", None),
        ("head: {env: [a]}", "give a mapping of keys to values", None),
        ("head: {labels: {a: no}}", "give text", "put it in quotes: 'no'"),
        ("head: {resources: {a: x}}", "give a number, not 'x'", None),
        ("dashboard: maybe", "write true or false, not 'maybe'", None),
        ("workers: {count: -1}", "must be at least 0, not -1", None),
        ("head: {cpus: }", "NONE", None),
    ],
)
def test_messages(load: Load, problems: Problems, text: str, message: str, hint: str | None) -> None:
    if message == "NONE":
        assert load(text).spec.head.cpus is None
        return
    (problem,) = problems(text)
    assert message in problem.message
    assert problem.hint == hint
    assert "Input" not in problem.message
    assert "pydantic" not in str(problem)


def test_secrets_are_not_shown(problems: Problems) -> None:
    (problem,) = problems("head: {env: {PASSWORD: 12345678}}")
    assert "12345678" not in str(problem)


def test_what_is_valid_is_checked_beside_what_is_not(problems: Problems) -> None:
    keys = [
        problem.key
        for problem in problems("""
            name: a
            head: {env: {command: [1], name: 2}}
            services:
              one: {needs: [two]}
              two: {command: [x], needs: [one, nobody], ports: [x]}
            """)
    ]
    assert keys == [
        "head.env.command",
        "head.env.name",
        "services.one.command",
        "services.one.needs",
        "services.two.needs[1]",
        "services.two.ports[0]",
    ]


def test_a_further_database_needs_a_name_that_is_free(problems: Problems) -> None:
    text = "databases: {postgres: {database: shop, databases: [shop, daybreak_x, pg_x, mail, mail]}}"
    (found,) = problems(text)
    assert found.key == "databases.postgres.databases"
    assert found.message.endswith("taken already, also as those of roles: daybreak_x, mail, pg_x, shop")

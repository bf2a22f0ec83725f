"""Variables in a spec: what is one, what its value becomes, and what is said where it has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from daybreak.errors import Problem, SpecError
from daybreak.spec import cluster_name, json_schema
from daybreak.spec.interpolation import Unfilled, escaped, fill, looks_secret
from daybreak.spec.load import LoadedSpec

Load = Callable[..., LoadedSpec]
Problems = Callable[..., tuple[Problem, ...]]

KNOWN = {"A": "one", "EMPTY": "", "N": "4"}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("${A}", "one"),
        ("x${A}y${N}", "xoney4"),
        ("${NONE:-b}", "b"),
        ("${EMPTY:-b}", "b"),
        ("${EMPTY-b}", ""),
        ("${NONE-}", ""),
        ("${NONE:-${A}}/${N}", "one/4"),
        ("${A:+yes}${NONE:+no}${EMPTY+set}", "yesset"),
        ("${A:?needed}", "one"),
        # A shell's own: nothing of it changes.
        ("echo $HOME $1 $(date) `x` $", "echo $HOME $1 $(date) `x` $"),
        ("echo $$ > pid; kill $$", "echo $$ > pid; kill $$"),
        # Written as Compose wants it.
        ("echo $$HOME $${A} $${A%x}", "echo $HOME ${A} ${A%x}"),
    ],
)
def test_the_forms(written: str, text: str) -> None:
    assert fill(written, KNOWN.get).text == text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("${NONE}", "the variable NONE is not set"),
        ("${EMPTY:?give a port}", "EMPTY is not set: give a port"),
        ("${A%.py}", "`${A%.py}` is no variable"),
        ("${1}", "`${1}` is no variable"),
        ("${}", "`${}` is no variable"),
        ("${A", "`${A` has no closing brace"),
    ],
)
def test_what_has_no_value(written: str, said: str) -> None:
    with pytest.raises(Unfilled) as caught:
        fill(written, KNOWN.get)
    assert caught.value.message == said
    assert "$${" in caught.value.hint or ".env" in caught.value.hint


@pytest.mark.parametrize("text", ["${A}", "$$A", "$${A}", "a$b", "$$", "$", "${", "$$$ ${x} $$$y"])
def test_what_is_escaped_is_read_back(text: str) -> None:
    assert fill(escaped(text), KNOWN.get).text == text


def test_names_that_look_like_secrets() -> None:
    for name in ("PASSWORD", "DB_PASSWORD", "API_KEY", "github_token", "SECRET", "PGPASS_PASS"):
        assert looks_secret(name), name
    for name in ("KEYBOARD", "API_KEY_FILE", "AWS_ACCESS_KEY_ID", "WORKERS", "PWD", "TOKEN_PATH", "RAY_AUTH_MODE"):
        assert not looks_secret(name), name


def test_a_plain_value_is_typed_and_text_stays_text(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"N": "4", "ON": "false", "PORT": "9000", "ZERO": "007", "MEM": "2GiB"}.items():
        monkeypatch.setenv(name, value)
    spec = load(
        """
        workers:
          count: ${N}
          memory: ${MEM}
          env: {QUOTED: "${PORT}"}
        dashboard: ${ON}
        services:
          api:
            command:
              - serve
              - ${PORT}
              - --debug=${ON}
              - $HOME
            ports: ["${N:+9100}"]
            env:
              PORT: ${PORT}
              DEBUG: ${ON}
              ZERO: ${ZERO}
              NOTHING: ${NOT_SET_ANYWHERE:-}
        """.replace('["${N:+9100}"]', "\n              - ${PORT}")
    ).spec
    assert (spec.workers.count, spec.workers.memory, spec.dashboard) == (4, 2 * 1024**3, False)
    api = spec.services["api"]
    assert api.command == ("serve", "9000", "--debug=false", "$HOME")
    assert api.env == {"PORT": "9000", "DEBUG": "false", "ZERO": "007", "NOTHING": ""}
    assert api.ports == (9000,)
    assert spec.workers.env == {"QUOTED": "9000"}


def test_keys_are_never_variables(problems: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_ALL", "name")
    (problem,) = problems("'${KEY_OF_ALL}': a")
    assert (problem.key, problem.message) == ("${KEY_OF_ALL}", "unknown key")


def test_all_that_is_not_set_is_told_with_its_line(problems: Problems) -> None:
    found = problems("""
        name: a
        workers:
          count: ${NO_COUNT}
        services:
          api:
            command: [sh, -c, 'for x in ${LIST[@]}; do echo $x; done']
            env:
              A: ${NO_A:?where the service finds it}
        """)
    assert [(one.line, one.key, one.message) for one in found] == [
        (4, "workers.count", "the variable NO_COUNT is not set"),
        (7, "services.api.command[2]", "`${LIST[@]}` is no variable"),
        (9, "services.api.env.A", "NO_A is not set: where the service finds it"),
    ]


def test_a_value_that_does_not_fit_is_told_with_its_variable(
    problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNT", "many")
    (problem,) = problems("workers:\n  count: ${COUNT}")
    assert problem.line == 2
    assert problem.message == "give a whole number, not 'many' (it is written as ${COUNT})"


def test_the_environment_comes_before_the_file_beside_the_spec(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / ".env").write_text("COUNT=2\nCPUS=3 # of each\n")
    monkeypatch.setenv("COUNT", "5")
    loaded = load("workers:\n  count: ${COUNT}\n  cpus: ${CPUS}")
    assert (loaded.spec.workers.count, loaded.spec.workers.cpus) == (5, 3)
    assert loaded.variables == {"COUNT": "5"}, "what a unit of systemd must be given"


def test_a_broken_file_of_variables_troubles_those_alone_who_need_it(
    load: Load, problems: Problems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / ".env").write_text("FINE=1\nnot a variable\n")
    monkeypatch.chdir(tmp_path)
    assert load("name: a").spec.name == "a"
    (problem,) = problems("workers:\n  count: ${FINE}")
    assert (problem.file, problem.line) == ("shop/.env", 2)


def test_a_secret_by_accident(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "swordfish-0815")
    loaded = load("""
        services:
          api:
            command: [x]
            env:
              DATABASE: "postgres://me:${DB_PASSWORD}@there/db"
        """)
    (warning,) = loaded.warnings
    assert (warning.line, warning.key) == (6, "services.api.env.DATABASE")
    assert "DB_PASSWORD" in str(warning)
    assert "secrets" in str(warning)
    assert "swordfish" not in str(warning)


def test_a_variable_in_braces_of_yaml_needs_quotes(problems: Problems) -> None:
    (problem,) = problems("workers: {count: ${COUNT}}")
    assert problem.hint
    assert "quotes" in problem.hint


def test_the_name_may_be_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "daybreak.yaml"
    file.write_text("name: shop-${STAGE}\nworkers:\n  count: ${NOT_SET}\n")
    with pytest.raises(SpecError, match="STAGE is not set"):
        cluster_name(tmp_path, file)
    monkeypatch.setenv("STAGE", "test")
    assert cluster_name(tmp_path, file) == "shop-test"


def test_editors_take_variables_for_any_value() -> None:
    text = """
        name: ${NAME}
        backend: ${BACKEND}
        workers: {count: "${N}", cpus: "${C}", env: {A: "${X}"}}
        warm: ${W}
        gateway: {hold: "${H}", rehearse: "${R}"}
        services: {api: {command: [x], ports: ["${P}"], image: "${I}:1", check: {tcp: "${P}"}}}
        databases: {postgres: {port: "${P}"}}
        """
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(text))

"""What modules ask of the environment while they are imported, and what follows for a program with another one."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from daybreak.programs.warm.variables import Variables, still_fits

GIVEN = {"SET": "1", "OTHER": "2", "PATH": "/bin", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "4"}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in {"FIRST": "0", **GIVEN}.items():
        monkeypatch.setenv(name, value)


def differing(read: Callable[[], object], changes: dict[str, str | None]) -> list[str]:
    """Names that keep a program whose environment has these changes from being forked, after this was read."""
    variables = Variables()
    with variables.watched():
        read()
    env = {name: value for name, value in {"FIRST": "0", **GIVEN, **changes}.items() if value is not None}
    return variables.differing(env)


@pytest.mark.parametrize(
    "read",
    [
        lambda: os.environ["SET"],
        lambda: os.environ.get("SET"),
        lambda: os.getenv("SET"),
        lambda: os.getenvb(b"SET"),
        lambda: os.environb.get(b"SET"),
        lambda: "SET" in os.environ,
        lambda: os.environ.setdefault("SET", "x"),
        lambda: [os.environ[name] for name in os.environ if name == "SET"],
    ],
)
def test_every_way_to_ask_for_a_variable_is_noticed(read: Callable[[], object]) -> None:
    assert differing(read, {}) == []
    assert differing(read, {"SET": "2"}) == ["SET"]
    assert differing(read, {"SET": None}) == ["SET"]
    assert differing(read, {"OTHER": "3", "NEW": "4"}) == []


def test_one_that_was_not_there_counts_when_it_is_set() -> None:
    assert differing(lambda: os.environ.get("NEW"), {"NEW": ""}) == ["NEW"]
    assert differing(lambda: os.environ.get("NEW"), {"NEWER": "x"}) == []


@pytest.mark.parametrize("read", [lambda: dict(os.environ), lambda: list(os.environ.items()), os.environ.copy])
def test_who_goes_through_all_asks_for_none(read: Callable[[], object]) -> None:
    assert differing(read, {"SET": "2", "OTHER": "3"}) == []


def test_a_package_that_goes_through_all_looks_for_those_with_its_name() -> None:
    space = {"__name__": "numba.core.config", "os": os}
    code = "found = {name: value for name, value in os.environ.items() if name.startswith('NUMBA_')}"

    def read() -> None:
        exec(code, space)  # noqa: S102 - as a module of that name would

    assert differing(read, {"NUMBA_NUM_THREADS": "1", "SET": "2"}) == ["NUMBA_NUM_THREADS"]
    variables = Variables()
    with variables.watched():
        read()
    assert variables.prefixes() == ["NUMBA_"]
    assert not still_fits(variables.marks(), {**GIVEN, "FIRST": "0", "NUMBA_X": "1"}, (), variables.prefixes())
    assert still_fits(variables.marks(), {**GIVEN, "FIRST": "0", "SOMBA_X": "1"}, (), variables.prefixes())


def test_what_c_libraries_and_interpreters_read_counts_unseen() -> None:
    changes: dict[str, str | None] = {"MKL_CBWR": "AVX2", "PYTHONHASHSEED": "1", "LANG": None, "GRPC_TRACE": "all"}
    assert differing(lambda: None, changes) == sorted(changes)
    without_effect: dict[str, str | None] = {"PYTHONOPTIMIZE": "", "LD_PRELOAD": "/site/ray/core/libjemalloc.so"}
    assert differing(lambda: None, without_effect) == []


def test_what_differs_in_every_process_is_no_reason() -> None:
    names = ("RAY_JOB_ID", "PATH", "TMPDIR", "OMP_NUM_THREADS", "PYTHONPATH", "DAYBREAK_INSTANCE")
    assert differing(lambda: [os.environ.get(name) for name in names], dict.fromkeys(names, "x")) == []


def test_what_modules_set_is_there_where_nothing_else_is() -> None:
    variables = Variables()
    with variables.watched():
        os.environ["MADE"] = "m"
        os.environ["OTHER"] = "changed"
        os.environ["MKL_NUM_THREADS"] = "1"
    assert variables.made({}) == {b"MADE": b"m"}
    assert variables.made({b"MADE": b"own"}) == {}
    del os.environ["MADE"], os.environ["MKL_NUM_THREADS"]


def test_a_template_fits_as_long_as_nothing_differs_that_it_has_read() -> None:
    variables = Variables()
    with variables.watched():
        os.environ.get("SET"), os.environ.get("NEW"), os.environ.get("PATH")
    marks = variables.marks()
    assert GIVEN["SET"] not in marks.values()
    assert still_fits(marks, {**GIVEN, "OTHER": "x", "PATH": "/other"}, but=())
    for change in ({"SET": "2"}, {"NEW": ""}, {"LANG": "C"}, {"MKL_CBWR": "AVX2"}):
        assert not still_fits(marks, {**GIVEN, **change}, but=())
        assert still_fits(marks, {**GIVEN, **change}, but=change)


def test_nothing_is_watched_afterwards() -> None:
    methods = type(os.environ).__getitem__, type(os.environ).__iter__
    variables = Variables()
    with variables.watched():
        variables.leave()  # as a fork does that is made meanwhile
        os.environ.get("SET")
    assert (type(os.environ).__getitem__, type(os.environ).__iter__) == methods
    assert variables.differing({**GIVEN, "SET": "2"}) == []

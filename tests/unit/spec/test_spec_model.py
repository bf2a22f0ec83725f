"""The models: what travels as JSON reads back equal, and what pydantic would guess is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daybreak.spec.databases import Postgres
from daybreak.spec.model import Spec

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
texts = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
seconds = st.floats(1e-3, 1e6) | st.sampled_from(["5s", "250ms", "1m30s"])
cpus = st.integers(1, 64) | st.floats(0.01, 64) | st.sampled_from(["500m", "2"])
sizes = st.integers(1, 2**50) | st.sampled_from(["2GiB", "1.5GB"])
numbers = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
settings = st.dictionaries(
    st.text(max_size=8),
    st.text() | st.booleans() | numbers,
    max_size=3,
)
node = st.fixed_dictionaries(
    {},
    optional={
        "cpus": cpus,
        "gpus": st.integers(0, 8),
        "memory": sizes,
        "object_store": sizes,
        "resources": st.dictionaries(st.text(max_size=8), st.floats(0, 100), max_size=3),
        "labels": texts,
        "env": texts,
    },
)
service = st.fixed_dictionaries(
    {"command": st.lists(st.text(), min_size=1, max_size=3)},
    optional={"env": texts, "ports": st.lists(st.integers(1, 65535), max_size=3), "stop_grace": seconds},
)
specs = st.fixed_dictionaries(
    {"name": names},
    optional={
        "head": node,
        "workers": node,
        "serve": st.fixed_dictionaries(
            {
                "applications": st.lists(
                    st.fixed_dictionaries({"import": st.just("app:main"), "args": st.dictionaries(st.text(), values)}),
                    max_size=1,
                )
            }
        ),
        "databases": st.fixed_dictionaries(
            {}, optional={"postgres": st.none() | st.fixed_dictionaries({"settings": settings}), "redis": st.just({})}
        ),
        "services": st.dictionaries(names, service, max_size=2),
        "start_timeout": seconds,
    },
)


@given(specs)
def test_a_spec_reads_back_equal(written: dict[str, Any]) -> None:
    spec = Spec.model_validate(written)
    assert Spec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec
    assert Spec.model_validate(json.loads(json.dumps(spec.model_dump(mode="json", by_alias=True)))) == spec


def test_values_are_plain_numbers() -> None:
    spec = Spec.model_validate({"name": "a", "head": {"memory": "1GiB", "cpus": "500m"}, "start_timeout": "1m"})
    assert (spec.head.memory, spec.head.cpus, spec.start_timeout) == (1024**3, 0.5, 60.0)
    assert (spec.head.object_store, spec.serve.start_timeout) == (256 * 1024**2, 120.0)


def test_a_spec_never_changes() -> None:
    spec = Spec.model_validate({"name": "a"})
    with pytest.raises(ValidationError):
        spec.name = "b"


def test_ports_move_by_the_offset() -> None:
    spec = Spec.model_validate({"name": "a", "ports": {"offset": 100, "gcs": 7000}})
    assert [spec.port(name) for name in ("serve", "dashboard", "gcs")] == [8100, 8365, 7100]


@pytest.mark.parametrize(
    "written",
    [
        {"workers": {"count": True}},
        {"workers": {"count": "3"}},
        {"workers": {"count": 257}},
        {"workers": {"cpus": -1}},
        {"workers": {"resources": {"camera": "1"}}},
        {"workers": {"resources": {"camera": -1}}},
        {"workers": {"resources": {"camera": float("nan")}}},
        {"dashboard": "no"},
        {"ports": {"serve": 0}},
        {"ports": {"serve": 8000.0}},
        {"name": "a" * 41},
        {"name": "a\n"},
        {"listen": ""},
        {"serve": {"applications": [{"import": "app:main", "args": {"x": float("inf")}}]}},
    ],
)
def test_nothing_is_guessed(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Spec.model_validate({"name": "a", **written})


def test_settings_keep_their_types() -> None:
    settings = {"a": 1, "b": True, "c": 0.5, "d": "on"}
    read = Postgres.model_validate({"settings": settings}).settings
    assert [(key, type(value), value) for key, value in read.items()] == [
        (key, type(value), value) for key, value in settings.items()
    ]

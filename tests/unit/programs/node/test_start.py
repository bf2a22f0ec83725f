"""What is changed in Ray's own start, tried with stand-ins of its functions."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from daybreak.programs.node import start

KEY = "dashboard"
CONSTANTS = SimpleNamespace(DASHBOARD_ADDRESS=KEY)


def ray(asked: list[str]) -> tuple[Any, Any]:
    """Ray's services and its key-value store, which knows no dashboard yet."""

    def start_api_server(include_dashboard: bool | None, raise_on_failure: bool, host: str, port: int | None) -> Any:
        found = [kv._internal_kv_get(name, namespace="x") for name in (KEY, "other")]
        return found[0] if include_dashboard is not False else ""

    def get(name: str, namespace: str) -> bytes | None:
        asked.append(name)
        return None

    kv = SimpleNamespace(_internal_kv_get=get)
    return SimpleNamespace(start_api_server=start_api_server), kv


@pytest.mark.parametrize(
    ("include", "port", "answer", "waited_for"),
    [
        (True, 8265, b"127.0.0.1:8265", ["other"]),
        # Ray starts one without a face, and would wait for its address only to forget it.
        (False, 8265, "", ["other"]),
        (None, 8265, None, [KEY, "other"]),
        (True, None, None, [KEY, "other"]),
    ],
)
def test_nobody_waits_for_a_dashboard_whose_address_is_known_or_not_wanted(
    include: bool | None, port: int | None, answer: Any, waited_for: list[str]
) -> None:
    asked: list[str] = []
    services, kv = ray(asked)
    store = kv._internal_kv_get
    start.do_not_wait_for_dashboard(services, kv, CONSTANTS)
    found = services.start_api_server(include_dashboard=include, raise_on_failure=True, host="127.0.0.1", port=port)
    assert found == answer
    assert asked == waited_for
    assert kv._internal_kv_get is store


@pytest.mark.parametrize("restarts", [True, False])
def test_a_gcs_is_started_again_where_what_it_knows_outlives_it(restarts: bool) -> None:
    process = SimpleNamespace(args=["gcs_server", "--gcs_server_port=6380"])
    info = SimpleNamespace(process=process, stdout_file=os.devnull, stderr_file=os.devnull)
    options = {"temporary": "/t", **({"restarts_gcs": True} if restarts else {})}
    told = start.as_told("gcs_server", info, SimpleNamespace(PROCESS_TYPE_DASHBOARD="dashboard"), options)
    assert told.get("command") == (process.args if restarts else None)
    assert start.as_told("raylet", info, SimpleNamespace(), options) == {"name": "raylet"}


def test_what_a_raylet_starts_does_not_take_the_storage_of_the_gcs() -> None:
    seen: dict[str, Any] = {}

    def start_ray_process(command: list[str], process_type: str, fate_share: bool, env_updates: Any = None) -> None:
        seen[process_type] = env_updates

    services = SimpleNamespace(start_ray_process=start_ray_process)
    start.store_for_the_gcs_alone(services, SimpleNamespace(PROCESS_TYPE_RAYLET="raylet"))
    for kind in ("gcs_server", "raylet"):
        services.start_ray_process(["it"], kind, True, env_updates={"A": "b"})
    assert seen == {"gcs_server": {"A": "b"}, "raylet": {"A": "b", "RAY_gcs_storage": "memory"}}

"""What is changed in Ray's own start, tried with stand-ins of its functions."""

from __future__ import annotations

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

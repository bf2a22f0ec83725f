"""Serve's own class of request routers is pickled once, with the same bytes as ever."""

from __future__ import annotations

from typing import Any

import pytest

from daybreak.programs.deploy import router_class

config = pytest.importorskip("ray.serve.config")
if not hasattr(config, "RequestRouterConfig"):
    pytest.skip("Serve of this Ray has no such class", allow_module_level=True)


class Own:
    """A router of an application's own."""


def test_all_share_what_the_first_has_pickled_but_those_with_another_class(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, pickled = config.RequestRouterConfig, []
    pickle = kind._serialize_request_router_cls

    def noting(self: Any) -> None:
        pickled.append(self)
        pickle(self)

    monkeypatch.setattr(kind, "_serialize_request_router_cls", noting)
    alone = kind().get_serialized_request_router_cls()
    pickled.clear()
    router_class.pickle_once()
    router_class.pickle_once()
    found = [kind() for _ in range(3)]
    assert len(pickled) == 1
    assert {one.get_serialized_request_router_cls() for one in found} == {alone}
    assert all(one.is_default_request_router() for one in found)
    own = kind(request_router_class=Own)
    assert own.get_request_router_class().__name__ == "Own"
    assert len(pickled) == 2


def test_where_serve_does_it_otherwise_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(config.RequestRouterConfig, "_serialize_request_router_cls")
    router_class.pickle_once()
    monkeypatch.delattr(config, "RequestRouterConfig")
    router_class.pickle_once()

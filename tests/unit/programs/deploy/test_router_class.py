"""Serve's own class of request routers goes by its name, and a class of the user's own as ever."""

from __future__ import annotations

import pytest

from daybreak.programs.deploy import router_class

config = pytest.importorskip("ray.serve.config")
if not hasattr(config, "RequestRouterConfig"):
    pytest.skip("Serve of this Ray has no such class", allow_module_level=True)


class Own:
    """A router of an application's own."""


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = config.RequestRouterConfig
    monkeypatch.setattr(kind, router_class.SERIALIZE, getattr(kind, router_class.SERIALIZE))


def test_the_class_is_the_same_and_its_code_is_not_sent() -> None:
    by_value = config.RequestRouterConfig()
    router_class.by_name()
    router_class.by_name()
    by_name = config.RequestRouterConfig()
    module, found = config.import_module_and_attr(config.DEFAULT_REQUEST_ROUTER_PATH)
    assert by_name.get_request_router_class() is found
    assert by_value.get_request_router_class().__name__ == found.__name__
    assert module.__name__.startswith("ray.serve.")
    assert len(by_name.get_serialized_request_router_cls()) < 200
    assert by_name.is_default_request_router()
    assert by_name.request_router_class == by_value.request_router_class


def test_a_class_of_the_users_own_is_sent() -> None:
    as_ever = config.RequestRouterConfig(request_router_class=Own)
    router_class.by_name()
    own = config.RequestRouterConfig(request_router_class=Own)
    assert not own.is_default_request_router()
    assert own.get_serialized_request_router_cls() == as_ever.get_serialized_request_router_cls()
    assert own.get_request_router_class().__doc__ == Own.__doc__


def test_where_serve_does_it_otherwise_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(config.RequestRouterConfig, router_class.SERIALIZE)
    router_class.by_name()
    assert not hasattr(config.RequestRouterConfig, router_class.SERIALIZE)
    monkeypatch.delattr(config, "RequestRouterConfig")
    router_class.by_name()

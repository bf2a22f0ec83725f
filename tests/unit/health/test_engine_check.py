"""A check that the engine makes: what its words mean."""

from __future__ import annotations

import pytest

from daybreak.backends.base import Backend
from daybreak.backends.fake import FakeBackend
from daybreak.health.checks import attempt
from daybreak.health.verdict import Failed, NotYet, Ready, Verdict
from daybreak.services.service import EngineHealthCheck, Service, Tier
from daybreak.testing.clock import run

SERVICE = Service("api", Tier.APP, (), "/")


class Told(FakeBackend):
    """A backend whose engine says one word of every instance."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    async def health(self, instance: str) -> str:
        assert instance == "i1"
        return self.word


def verdict(backend: Backend) -> Verdict:
    return run(attempt(EngineHealthCheck(), SERVICE, backend, instance="i1", timeout_s=5))


@pytest.mark.parametrize(
    ("word", "kind"), [("healthy", Ready), ("starting", NotYet), ("unhealthy", NotYet), ("none", Failed)]
)
def test_the_engines_words(word: str, kind: type) -> None:
    assert isinstance(verdict(Told(word)), kind)


def test_a_backend_without_containers_can_never_tell() -> None:
    assert isinstance(verdict(FakeBackend()), Failed)

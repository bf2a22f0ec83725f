"""A `with` block ends the cluster that it has started, however the block ends, and no other."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from daybreak.api import changing
from daybreak.states import ClusterState


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(("before", "ended"), [(ClusterState.STOPPED, ["it"]), (ClusterState.READY, [])])
def test_it_ends_what_it_has_started(
    monkeypatch: pytest.MonkeyPatch, before: ClusterState, ended: list[str], fails: bool
) -> None:
    downs: list[str] = []
    running = object()
    spec = SimpleNamespace(spec=SimpleNamespace(name="it"))
    monkeypatch.setattr(changing, "load", lambda *_, **__: spec)
    monkeypatch.setattr(changing, "status", lambda _: SimpleNamespace(state=before))
    monkeypatch.setattr(changing, "up", lambda *_, **__: running)
    monkeypatch.setattr(changing, "down", downs.append)

    def block() -> None:
        with changing.cluster(name="it") as found:
            assert found is running
            assert downs == []
            if fails:
                raise LookupError("the user's own")

    if fails:
        with pytest.raises(LookupError, match="the user's own"):
            block()
    else:
        block()
    assert downs == ended

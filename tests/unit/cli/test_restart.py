"""`daybreak restart`: the receipt, and what must be lossless."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daybreak import api
from daybreak.cli.app import app
from daybreak.errors import UsageError
from daybreak.states import ClusterState
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.receipt import Receipt

LINE = "restart (redeploy) 3.10 s, 12,304 requests, 2 failed, slowest 38 ms, held 0"
RECEIPT = Receipt(requests=12304, failed=2, slowest_ms=38)


def cluster(traffic: Mapping[str, Any] | None) -> api.Cluster:
    raw = {"name": "shop", "state": "ready", "workers": 1, "urls": {}, "services": [], "traffic": traffic}
    raw["absent"] = {"gateway": "not installed"}
    return api.Cluster("shop", ClusterState.READY, raw=raw)


@pytest.fixture(name="restart")
def _restart(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def restart(
        *options: str, receipt: Receipt | None = RECEIPT, traffic: Mapping[str, Any] | None = {"applications": []}
    ) -> Result:
        def restarted(*_: Any, on_message: api.OnMessage, **__: Any) -> api.Cluster:
            ended = {"duration_s": 3.1, "outcome": "ok"} | ({"receipt": receipt.to_json()} if receipt else {})
            for kind, data in (
                (Kind.RUN_BEGAN, {"run_kind": "restart", "way": "redeploy"}),
                (Kind.RUN_ENDED, ended),
            ):
                on_message({"event": Event(kind, 0.0, 0.0, data=data).to_json()})
            found = cluster(traffic)
            return api.Cluster(found.name, found.state, raw=found.raw, receipt=receipt)

        monkeypatch.setattr(api, "require_something", lambda _: None)
        monkeypatch.setattr(api, "belongs_elsewhere", lambda *_: True)
        monkeypatch.setattr(api, "status", lambda _: cluster(traffic))
        monkeypatch.setattr(api, "restart", restarted)
        return CliRunner().invoke(app, ["restart", "-n", "shop", *options])

    return restart


def test_a_restart_ends_with_its_receipt(restart: Callable[..., Result]) -> None:
    done = restart()
    assert done.exit_code == 0
    assert LINE in done.stderr.splitlines()
    assert json.loads(restart("--json").stdout)["receipt"] == RECEIPT.to_json()
    assert "requests" not in restart(receipt=None).output


def test_a_lost_request_is_an_error_where_none_may_be_lost(restart: Callable[..., Result]) -> None:
    done = restart("--require-lossless")
    assert str(done.exception) == "2 of 12,304 requests failed during the restart, which is done"
    assert LINE in done.stderr.splitlines()
    assert restart("--require-lossless", receipt=Receipt(requests=5, errors=5)).exit_code == 0
    assert "is not known" in str(restart("--require-lossless", receipt=Receipt(complete=False)).exception)
    assert "is not known" in str(restart("--require-lossless", receipt=None).exception)


def test_where_nobody_counts_nothing_is_restarted(restart: Callable[..., Result]) -> None:
    done = restart("--require-lossless", traffic=None)
    assert isinstance(done.exception, UsageError)
    assert "it has no gateway: not installed; nothing was changed" in str(done.exception)
    assert LINE not in done.stderr


def test_the_old_app_tier_is_kept_where_it_is_replaced_and_for_a_duration_alone(
    restart: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    assert restart("--keep-old", "5m").exit_code == 0
    monkeypatch.undo()
    monkeypatch.setattr("daybreak.api.changing.require_something", lambda _: None)
    monkeypatch.setattr("daybreak.api.changing._apply", lambda _, fields, *__: asked.append(fields))
    api.restart(name="shop", keep_old="1m30s")
    api.restart(name="shop", way="replace", keep_old=5)
    assert [(fields["way"], fields["keep_old"]) for fields in asked] == [("replace", 90.0), ("replace", 5.0)]
    api.restart(name="shop", rehearse=True, canary="10%")
    assert (asked[-1]["way"], asked[-1]["rehearse"], asked[-1]["canary"]) == ("replace", True, "10%")
    with pytest.raises(UsageError, match="is kept where it is replaced, not by the way 'redeploy'"):
        api.restart(name="shop", way="redeploy", keep_old="5m")
    with pytest.raises(
        UsageError, match="is compared with the new one where it is replaced, not by the way 'in-place'"
    ):
        api.restart(name="shop", way="in-place", rehearse=True)
    with pytest.raises(UsageError, match="give a duration"):
        api.restart(name="shop", keep_old="soon")
    for options in (("--in-place",), ("--redeploy",), ("worker-2",), ("--app", "shop")):
        for beside in (("--keep-old", "5m"), ("--canary", ""), ("--rehearse",)):
            assert restart(*beside, *options).exit_code == 2


@pytest.mark.parametrize("canary", ["", "soon", "50%,10%"])
def test_a_canary_without_steps_is_refused_before_anything_is_asked(canary: str) -> None:
    with pytest.raises(UsageError, match=r"the canary's steps: .*nothing was changed"):
        api.restart(name="shop", canary=canary)

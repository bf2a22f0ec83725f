"""Steps, schedules, hooks and gRPC checks in a compose file."""

from __future__ import annotations

from typing import Any

from tests.unit.extras.export.samples import exported, services

GIVEN: dict[str, Any] = {
    "serve": {"applications": [{"import": "app:main"}], "needs": {"migrate": "done", "seed": "done"}},
    "databases": {"redis": {}},
    "hooks": {"before_up": ["x"]},
    "services": {
        "migrate": {"command": ["migrate"], "needs": ["redis"]},
        "seed": {"command": ["seed"], "needs": {"head": "ready"}},
        "api": {"command": ["api"], "needs": {"migrate": "done"}, "check": {"grpc": "127.0.0.1:50051"}},
        "report": {"command": ["report"], "schedule": "@daily"},
    },
}


def test_what_needs_a_step_waits_for_its_good_end() -> None:
    found = services(GIVEN)
    assert found["api"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert found["migrate"]["restart"] == "no"
    assert found["migrate"]["healthcheck"] == {"disable": True}
    assert found["head"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert found["api"]["healthcheck"]["test"][-2:] == ["127.0.0.1:50051", ""]


def test_what_compose_cannot_do_is_left_out_with_the_reason() -> None:
    found, told = services(GIVEN), "\n".join(exported(GIVEN).warnings)
    assert "report" not in found
    assert "services.report: Compose starts nothing at a time" in told
    assert "seed" not in found["head"]["depends_on"]
    assert "serve.needs: seed needs Ray" in told
    assert "hooks: Compose runs nothing" in told

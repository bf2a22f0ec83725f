"""What a deployment has written of itself, which in containers lies where the application can write, too."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import FakeBackend
from daybreak.health.checks import attempt
from daybreak.health.verdict import Failed, NotYet, Ready, Verdict
from daybreak.services.service import DeployCheck, Service, Tier
from daybreak.states import Stage

SERVICE = Service("serve", Tier.APP, ("true",), "/")
NOT_BEGUN = NotYet("the deployment has not begun")


def verdict(path: Path, stage: Stage = Stage.RUNNING) -> Verdict:
    check = DeployCheck(str(path), stage)
    return asyncio.run(attempt(check, SERVICE, FakeBackend(), instance="i1", timeout_s=5.0))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"instance": "i1", "stage": "running"}, Ready()),
        ({"instance": "i1", "stage": "starting", "reason": "head"}, NotYet("starting head", Stage.STARTING)),
        ({"instance": "i0", "stage": "running"}, NOT_BEGUN),
        ({"instance": "i1", "stage": "failed", "reason": "no", "error": ["a"]}, Failed("no", ("a",))),
        ({"instance": "i1"}, NOT_BEGUN),
        ({"instance": "i1", "stage": "nonsense"}, NOT_BEGUN),
        ({"instance": "i1", "stage": "failed", "error": None}, Failed("None")),
        ([], NOT_BEGUN),
    ],
)
def test_what_it_says(tmp_path: Path, told: Any, expected: Verdict) -> None:
    (tmp_path / "status").write_text(json.dumps(told))
    assert verdict(tmp_path / "status") == expected


def test_a_pipe_in_its_place_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "status")
    assert verdict(tmp_path / "status") == NOT_BEGUN

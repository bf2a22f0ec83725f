"""An error that crosses the control socket arrives as what it was."""

from __future__ import annotations

import json

import pytest

from daybreak.errors import (
    DaybreakError,
    EngineError,
    Interrupted,
    NotRunning,
    PreflightError,
    Problem,
    RemoteError,
    ServiceDied,
    SpecError,
    StepFailed,
    VettingFailed,
    WaitTimeout,
)
from daybreak.keeper.control.error_json import error_from_json, error_to_json

DIED = ServiceDied(
    "web died", service="web", exit_code_of_service=3, tail=["a", "b"], whole=["z", "a", "b"], hint="look"
)
LATE = WaitTimeout("db is late", service="db", reason="no answer")


@pytest.mark.parametrize(
    "error",
    [
        DIED,
        LATE,
        StepFailed([DIED, LATE]),
        StepFailed([LATE]),
        PreflightError(["port 1 is in use", "port 2 is in use"], hint="free them"),
        SpecError([Problem("wrong", key="workers", line=3)]),
        VettingFailed("no", ["frame"], serves=True),
        EngineError("away", status=500),
        NotRunning("shop"),
        Interrupted("interrupted; nothing was changed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_is_the_same(error: DaybreakError) -> None:
    found = error_from_json(json.loads(json.dumps(error_to_json(error))))
    assert type(found) is type(error)
    assert error_to_json(found) == error_to_json(error)
    assert str(found) == error.message


def test_a_program_reaches_what_failed() -> None:
    found = error_from_json(json.loads(json.dumps(error_to_json(StepFailed([DIED])))))
    assert isinstance(found, StepFailed)
    (failure,) = found.failures
    assert isinstance(failure, ServiceDied)
    assert (failure.service, failure.exit_code_of_service, failure.tail) == ("web", 3, ("a", "b"))


def test_of_an_unknown_kind_the_texts_arrive() -> None:
    found = error_from_json({**error_to_json(DIED), "type": "OfTomorrow"})
    assert isinstance(found, RemoteError)
    assert (found.message, found.type, found.details()) == ("web died", "OfTomorrow", ["a", "b"])

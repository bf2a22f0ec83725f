"""The collector of garbage rests while something is imported."""

from __future__ import annotations

import gc

import pytest

from daybreak.programs.common import collector


def test_it_rests_meanwhile_also_within_another_rest() -> None:
    assert gc.isenabled()
    with collector.resting():
        with collector.resting():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_when_the_import_fails() -> None:
    with pytest.raises(ImportError), collector.resting():
        raise ImportError
    assert gc.isenabled()


def test_one_that_somebody_has_switched_off_stays_off() -> None:
    gc.disable()
    try:
        with collector.resting():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()

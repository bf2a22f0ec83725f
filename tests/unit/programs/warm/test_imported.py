"""What a fork has of the template's imports."""

from __future__ import annotations

import gc
import sys
from types import SimpleNamespace

import pytest

from daybreak.programs.warm import imported


def test_a_fork_that_is_made_amid_imports_collects_its_own_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The template does not while it imports, and a fork is what the template is."""
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    have = imported.Imported.__new__(imported.Imported)
    vars(have).update(_codes=object(), _shelf=SimpleNamespace(complete=True, arm=lambda: None))
    gc.disable()
    try:
        have.arm()
        assert gc.isenabled()
    finally:
        gc.enable()

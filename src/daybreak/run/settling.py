"""Services that go on while what is wanted of them changes: which of them are behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from daybreak.errors import DaybreakError
from daybreak.files import write_private
from daybreak.services.service import Service, Settle

if TYPE_CHECKING:
    from daybreak.run.failures import Failures
    from daybreak.run.readiness import Readiness


async def bring_up_to_date(services: Iterable[Service], readiness: Readiness, failures: Failures) -> None:
    """Those of which that is due. Raises WaitError for the first that fails."""
    for service in services:
        try:
            await readiness.settle(service)
        except DaybreakError as error:
            failures.add(service, error)
            raise


def is_due(settle: Settle) -> bool:
    """Is it something else that was done last?"""
    try:
        return Path(settle.told).read_text() != settle.text
    except OSError:
        return True


def note(settle: Settle) -> None:
    """It is done. Where that cannot be written it is done again, which changes nothing."""
    with contextlib.suppress(OSError):
        if is_due(settle):
            write_private(Path(settle.told), settle.text)

"""`read`: a spec as a command would read it; changes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from daybreak.errors import SpecError
from daybreak.keeper.control.request import Request
from daybreak.keeper.control.spec_reading import Reading
from daybreak.keeper.runner import Operation


class ReadSpec:
    """Looks, and tells; nothing where the command had better read it itself. Raises SpecError for an invalid one."""

    async def __call__(self, request: Request, _: Operation) -> dict[str, Any]:
        return await asyncio.to_thread(answer, request.reading) if request.reading else {}


def answer(reading: Reading) -> dict[str, Any]:
    """What travels, and `warnings`, in words."""
    try:
        loaded = reading.read()
    except OSError:
        return {}
    if loaded and loaded.missing:
        raise SpecError(loaded.missing)
    return {"read": loaded.to_json(), "warnings": list(map(str, loaded.warnings))} if loaded else {}

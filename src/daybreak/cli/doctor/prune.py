"""What of daybreak's is left in Docker: shown, and deleted when that is wanted."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from daybreak.cli.common.output import confirm, print_json
from daybreak.errors import DaybreakError
from daybreak.show.text import plural

if TYPE_CHECKING:
    from daybreak.extras.doctor.engines import Engine, Leftover


def prune(*, yes: bool, as_json: bool, volumes: bool = False) -> None:
    """Show what is left in Docker, ask, delete it: data of databases only with `volumes`."""
    from daybreak.extras.doctor import engines
    from daybreak.extras.doctor.diagnoses.docker import old

    engine = engines.find(engines.REMOVE_S)
    if engine is None:
        raise DaybreakError("Docker is not installed", hint="clusters run as processes; there is nothing to prune")
    left = old(engine)
    found = [one for one in left if volumes or one.kind != "volume"]
    if len(left) > len(found) and not as_json:
        kept = plural(len(left) - len(found), "volume")
        print(f"not deleted without --volumes: {kept} with data", file=sys.stderr)
    if found and not as_json:
        print("\n".join(map(str, found)), flush=True)
    if found:
        confirm(f"Delete {'it' if len(found) == 1 else f'all {len(found)}'}?", yes=yes)
    refused = _removed(engine, found)
    gone = [left for left in found if left not in refused]
    if as_json:
        print_json({"deleted": [asdict(left) for left in gone]})
    else:
        print(f"deleted {len(gone)}" if left else "nothing of daybreak's is left in Docker", file=sys.stderr)
    if refused:
        raise DaybreakError("; ".join(f"{left} was not deleted: {why}" for left, why in refused.items()))


def _removed(engine: Engine, found: list[Leftover]) -> dict[Leftover, str]:
    """Delete all; those that the engine keeps, and why."""
    refused = {}
    for left in found:
        try:
            engine.remove(left)
        except DaybreakError as error:
            refused[left] = error.message
    return refused

"""How an error travels from the keeper to a command, where it is raised as what it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from daybreak.errors import EXIT_FAILED, DaybreakError, Problem, RemoteError

_COMMON = frozenset(["message", "hint", "aftermath", "verbose", "exit_code"])


def error_to_json(error: DaybreakError) -> dict[str, Any]:
    """The error as plain JSON values."""
    return {
        "type": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "details": error.details(),
        "unfolded": error.unfolded(),
        "aftermath": error.aftermath,
        "exit_code": error.exit_code,
        "values": {name: _plain(value) for name, value in vars(error).items() if name not in _COMMON},
    }


def error_from_json(raw: Mapping[str, Any]) -> DaybreakError:
    """The error again, of the class that it was; of a class that is not known here its texts alone."""
    message, values = str(raw["message"]), raw.get("values")
    found = {known.__name__: known for known in _classes(DaybreakError)}.get(str(raw.get("type")))
    if found is None or values is None:
        return RemoteError(raw)
    error = found.__new__(found, message)
    Exception.__init__(error, message)
    common = {"message": message, "hint": raw.get("hint"), "aftermath": raw.get("aftermath", ""), "verbose": None}
    vars(error).update(common | {name: _as_it_was(value) for name, value in values.items()})
    error.exit_code = int(raw.get("exit_code", EXIT_FAILED))
    return error


def _classes(above: type[DaybreakError]) -> Iterator[type[DaybreakError]]:
    yield above
    for below in above.__subclasses__():
        yield from _classes(below)


def _plain(value: Any) -> Any:
    """As JSON: errors and problems by their kind, tuples as lists."""
    if isinstance(value, DaybreakError):
        return {"error": error_to_json(value)}
    if isinstance(value, Problem):
        return {"problem": asdict(value)}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _as_it_was(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_as_it_was(one) for one in value)
    if isinstance(value, dict) and "error" in value:
        return error_from_json(value["error"])
    if isinstance(value, dict) and "problem" in value:
        return Problem(**value["problem"])
    return value

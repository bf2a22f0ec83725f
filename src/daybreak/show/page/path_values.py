"""What stands in a request's path: nothing but what there is."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request

from daybreak.paths import ClusterPaths
from daybreak.show.logs.sources import Sources

# Of a number that SQLite and Python's `int` take, whatever a stranger writes.
MOST_DIGITS = 18


def service_of(request: Request, paths: ClusterPaths) -> str:
    """The service in the path, one that has logs; else the answer is 404."""
    name: str = request.path_params["service"]
    if name not in Sources(paths).known():
        raise HTTPException(404)
    return name


def run_of(request: Request) -> int:
    """The run's number in the path; the answer is 404 to what is no number."""
    number = number_in(request.path_params["run"])
    if number is None:
        raise HTTPException(404)
    return number


def number_in(text: str) -> int | None:
    """A number of plain digits; None for anything else, or one that is too long."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None

"""The spec's quantities as types: written by people with units, plain numbers once validated.

`Bytes` is an `int` of bytes, `Cpus` a `float` of CPUs, `Seconds` a `float` of seconds. What is accepted is described in
`daybreak.spec.quantities`; plain numbers are accepted too, so a validated spec dumped as JSON reads back the same.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from daybreak.spec import quantities
from daybreak.spec.quantities import parse_bytes, parse_cpus, parse_node_cpus, parse_seconds

__all__ = ["MIB", "Bytes", "Cpus", "NodeCpus", "Seconds", "parse_bytes", "parse_cpus", "parse_seconds"]

MIB = 1024**2


def _schema(kind: str, most: int, pattern: str, examples: list[str], *, zero: bool = False) -> dict[str, Any]:
    number = {"type": kind, "minimum" if zero else "exclusiveMinimum": 0, "maximum": most}
    return {"anyOf": [number, {"type": "string", "pattern": pattern}], "examples": examples}


Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    WithJsonSchema(_schema("integer", quantities.MOST_BYTES, quantities.BYTES_PATTERN, ["2GiB", "512MiB", "2GB"])),
]
Cpus = Annotated[
    float,
    BeforeValidator(parse_cpus),
    WithJsonSchema(_schema("number", quantities.MOST_CPUS, quantities.CPUS_PATTERN, ["2", "0.5", "500m"], zero=True)),
]
NodeCpus = Annotated[
    float | Literal["all", "share"],
    BeforeValidator(parse_node_cpus),
    WithJsonSchema(
        _schema(
            "number",
            quantities.MOST_CPUS,
            quantities.NODE_CPUS_PATTERN,
            ["2", "0.5", "500m", "all", "share"],
            zero=True,
        )
    ),
]
Seconds = Annotated[
    float,
    BeforeValidator(parse_seconds),
    WithJsonSchema(_schema("number", quantities.MOST_SECONDS, quantities.SECONDS_PATTERN, ["5s", "250ms", "1m30s"])),
]

"""What becomes of a service that ends by itself, in this program's words or in Compose's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, WithJsonSchema

# What somebody has stopped stays so in any case. YAML reads `no` as false.
OF_COMPOSE = {"unless-stopped": "always", "no": "never", False: "never"}
WORDS = ("always", "on-failure", "never", "unless-stopped", "no")


def _known(value: object) -> object:
    return OF_COMPOSE.get(value, value) if isinstance(value, str | bool) else value


RestartWord = Annotated[
    Literal["always", "on-failure", "never"],
    BeforeValidator(_known),
    WithJsonSchema({"type": "string", "enum": list(WORDS)}),
]

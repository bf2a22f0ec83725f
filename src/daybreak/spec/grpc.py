"""A check by gRPC's own protocol for it."""

from __future__ import annotations

import re

from pydantic import Field, model_validator

from daybreak.spec.base import Model

ADDRESS_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[1-9][0-9]{0,4}$"


class GrpcHealth(Model):
    """The server that is asked; its address alone may stand for it."""

    address: str = Field(pattern=ADDRESS_PATTERN, description="Host and port, such as 127.0.0.1:50051; without TLS.")
    service: str = Field(
        default="", max_length=127, description="One of its services; the server as a whole if absent."
    )

    @model_validator(mode="before")
    @classmethod
    def _alone(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if not re.match(ADDRESS_PATTERN, value):
            raise ValueError(f"must be a host and a port, such as 127.0.0.1:50051; not '{value}'")
        return {"address": value}

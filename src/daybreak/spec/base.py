"""What every section of a spec is, and types of values that several have."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Strict where pydantic would otherwise guess: `yes` is no count, and "3" no number.
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Setting = Annotated[str | int | float | bool, Field(union_mode="smart")]
IMAGE_PATTERN = r"^[A-Za-z0-9][\w.:/@-]*$"
Image = Annotated[str, Field(pattern=IMAGE_PATTERN)]


class Model(BaseModel):
    """Unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

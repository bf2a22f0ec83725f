"""When a service runs that runs now and then."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from daybreak.spec.base import Model
from daybreak.spec.cron import problem, zone
from daybreak.spec.quantity_types import Seconds


class Schedule(Model):
    """When a service runs that runs now and then; a cron line alone may stand for it."""

    cron: str = Field(description="Minute, hour, day, month, weekday, such as 0 3 * * *; or @daily and its like.")
    timezone: str | None = Field(default=None, description="Such as Europe/Berlin; the machine's if absent.")

    timeout: Seconds | None = Field(
        default=None, description="How long a run may take; then it is ended, and has failed. No end if absent."
    )

    @model_validator(mode="before")
    @classmethod
    def _line(cls, value: object) -> object:
        if not isinstance(value, str | dict):
            raise ValueError('must be a cron line, such as "0 3 * * *", or cron, timezone and timeout')
        return {"cron": cls._is_cron(value)} if isinstance(value, str) else value

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, cron: str) -> str:
        if wrong := problem(cron):
            raise ValueError(f"'{cron}' {wrong}")
        return cron

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str | None) -> str | None:
        zone(name)
        return name

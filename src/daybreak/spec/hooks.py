"""Commands before and after what changes the cluster."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from daybreak.spec.base import Model
from daybreak.spec.quantity_types import Seconds


class Hook(Model):
    """A command; its words alone may stand for it."""

    command: tuple[str, ...] = Field(min_length=1, description="The program and its arguments, as a list; no shell.")
    timeout: Seconds = Field(default=60.0, description="Deadline; then it is ended, and has failed.")

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError(f"must be a list, such as [{value}]; no shell reads it")
        return {"command": value} if isinstance(value, list | tuple) else value


def _several(value: Any) -> Any:
    """One command, as words or as a section, stands for a list of one."""
    if value is None:
        return ()
    several = isinstance(value, list | tuple) and all(isinstance(one, list | tuple | dict | Hook) for one in value)
    return value if several else (value,)


Commands = Annotated[tuple[Hook, ...], BeforeValidator(_several)]


class Hooks(Model):
    """Commands for each moment, one after another; a failing one before stops what was asked for, with nothing
    changed."""

    before_up: Commands = Field(default=(), description="Before `up` changes anything.")
    after_up: Commands = Field(default=(), description="When `up` has gone well.")
    before_restart: Commands = Field(default=(), description="Before `restart` replaces anything.")
    after_restart: Commands = Field(default=(), description="When `restart` has gone well.")
    before_down: Commands = Field(default=(), description="Before `down` stops anything.")
    after_down: Commands = Field(default=(), description="When everything has stopped.")

    def of(self, moment: str) -> tuple[Hook, ...]:
        """Those of that key."""
        found: tuple[Hook, ...] = getattr(self, moment)
        return found

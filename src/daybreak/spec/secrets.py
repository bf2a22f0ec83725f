"""Secrets and files of variables in a spec: where they come from, and who gets them. Values are in no model."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from daybreak.spec.base import Model

NAMED = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
SecretName = Annotated[str, Field(pattern=NAMED)]
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
VariableName = Annotated[str, Field(pattern=VARIABLE_PATTERN)]


class SecretSource(Model):
    """Where a secret comes from: a file, or a variable of the command's environment or of `.env`."""

    file: str | None = Field(
        default=None, min_length=1, description="File that holds it, relative to the spec's folder."
    )
    environment: VariableName | None = Field(
        default=None, description="Variable that holds it, of the command's environment or of .env beside the spec."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.file is None) == (self.environment is None):
            raise ValueError("give either file or environment")
        return self


class SecretUse(Model):
    """One secret that is handed over: as a file whose path is in NAME_FILE, or as a variable."""

    name: SecretName = Field(description="Its name below `secrets` at the top.")
    env: VariableName | None = Field(
        default=None, description="Variable that holds the secret itself; if absent, NAME_FILE holds its file's path."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @property
    def variable(self) -> str:
        """The variable that is set."""
        return self.env or f"{re.sub(r'[^A-Z0-9]', '_', self.name.upper())}_FILE"


class EnvFile(Model):
    """A file of variables, `NAME=value` line by line."""

    path: str = Field(min_length=1, description="Its path, relative to the spec's folder.")
    required: bool = Field(default=True, strict=True, description="Whether it must be there.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


EnvFiles = Annotated[tuple[EnvFile, ...], BeforeValidator(_several)]
Uses = tuple[SecretUse, ...]

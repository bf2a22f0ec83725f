# mypy: disable-error-code="untyped-decorator, attr-defined"
"""The application that every scenario starts: one replica, one route. The pid tells one generation from the next."""

import os
from typing import Any

from fastapi import FastAPI
from ray import serve

api = FastAPI()


@serve.deployment
@serve.ingress(api)
class App:
    @api.get("/")
    async def root(self) -> dict[str, Any]:
        return {"ok": True, "pid": os.getpid()}


main = App.bind()

# mypy: disable-error-code="untyped-decorator, attr-defined"
"""The application that every scenario starts: one replica, one route. What was born later is
another generation; in containers pids come again."""

import os
import time
from typing import Any

from fastapi import FastAPI
from ray import serve

api = FastAPI()


@serve.deployment
@serve.ingress(api)
class App:
    def __init__(self) -> None:
        self.born = time.time_ns()

    @api.get("/")
    async def root(self) -> dict[str, Any]:
        return {"ok": True, "pid": os.getpid(), "born": self.born}


main = App.bind()

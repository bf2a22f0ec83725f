# mypy: disable-error-code="untyped-decorator, attr-defined, import-untyped, import-not-found"
"""An application whose imports take longer than anything else of its start."""

import os
from typing import Any

import pandas
from fastapi import FastAPI
from ray import serve
from sklearn.linear_model import LinearRegression

api = FastAPI()


@serve.deployment
@serve.ingress(api)
class Heavy:
    def __init__(self) -> None:
        table = pandas.DataFrame({"x": [0.0, 1.0, 2.0], "y": [1.0, 3.0, 5.0]})
        self._model = LinearRegression().fit(table[["x"]], table["y"])

    @api.get("/")
    async def root(self) -> dict[str, Any]:
        return {"ok": True, "pid": os.getpid(), "slope": float(self._model.coef_[0])}


main = Heavy.bind()

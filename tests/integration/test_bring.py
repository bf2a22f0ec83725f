"""A Compose project of head, two kinds of workers, PostgreSQL, a step and an API is brought over, and answers."""

from __future__ import annotations

import json
import urllib.request

import pytest

from tests.helpers import free_port
from tests.integration.conftest import Sandbox

pytestmark = pytest.mark.ray

PHRASE = "not-for-everybody"
KEY = "sk_live_0123456789"
COMPOSE = """
name: it
services:
  ray-head:
    image: rayproject/ray:2.44.1
    command: ray start --head --num-cpus=1 --dashboard-host=0.0.0.0 --block
  ray-worker:
    image: rayproject/ray:2.44.1
    command: ray start --address=ray-head:6379 --num-cpus=1 --block
  ray-worker-big:
    image: rayproject/ray:2.44.1
    command: ray start --address=ray-head:6379 --num-cpus=1 --resources='{{"big":1}}' --block
  db:
    image: postgres:16
    environment: {{POSTGRES_USER: shop, POSTGRES_PASSWORD: {password}, POSTGRES_DB: orders}}
    volumes: ["./initdb:/docker-entrypoint-initdb.d:ro"]
  migrate:
    build: ./api
    command: python migrate.py
    environment: {{DB_HOST: db, DB_PORT: "5432", DB_USER: shop, DB_PASSWORD: {password}, DB_NAME: orders}}
    depends_on: {{db: {{condition: service_healthy}}}}
  api:
    build: ./api
    ports: ["{port}:{port}"]
    environment:
      SQLALCHEMY_URL: postgresql+psycopg://shop:{password}@db:5432/orders
      RAY_ADDRESS: ray://ray-head:10001
      API_KEY: {key}
      API_PORT: {port}
    depends_on:
      migrate: {{condition: service_completed_successfully}}
      ray-head: {{condition: service_started}}
    healthcheck: {{test: ["CMD", "curl", "-f", "http://localhost:{port}/health"]}}
"""
DOCKERFILE = 'FROM python:3.12\nWORKDIR /srv\nCOPY . .\nCMD ["python", "/srv/server.py"]\n'
MIGRATE = """
import os
import psycopg

names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
with psycopg.connect(**{key: os.environ[f"DB_{name}"] for key, name in names.items()}) as connection:
    connection.execute("create table orders (number int)")
    connection.execute("insert into orders select number * 10 from seeded")
"""
SERVER = """
import http.server, json, os
import psycopg, ray

ray.init(log_to_driver=False)
double = ray.remote(resources={"big": 0.1})(lambda number: number * 2)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with psycopg.connect(os.environ["SQLALCHEMY_URL"].replace("+psycopg", "")) as connection:
            user, number = connection.execute("select current_user, max(number) from orders").fetchone()
        told = {"user": user, "number": ray.get(double.remote(number)), "key": os.environ["API_KEY"]}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["API_PORT"])), Handler).serve_forever()
"""


def test_a_project_is_brought_over_and_answers(sandbox: Sandbox) -> None:
    port = free_port()
    files = {
        "compose.yaml": COMPOSE.format(port=port, password=PHRASE, key=KEY),
        "api/Dockerfile": DOCKERFILE,
        "api/migrate.py": MIGRATE,
        "api/server.py": SERVER,
        "initdb/1.sql": "create table seeded as select 4 as number;",
    }
    for name, text in files.items():
        path = sandbox.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    sandbox.run("init", "--from", "compose.yaml")
    spec = sandbox.folder / "daybreak.yaml"
    assert PHRASE not in spec.read_text()
    assert KEY not in spec.read_text()
    sandbox.run("init", "--from", "compose.yaml", code=2)
    spec.write_text(f"{spec.read_text()}\nports: {{offset: {sandbox.offset}}}\nprometheus: false\n")
    sandbox.run("up")
    assert set(sandbox.services()) >= {"postgres", "head", "ray-worker-1", "ray-worker-big-1", "migrate", "api"}
    sandbox.run("restart", "api")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        assert json.load(answer) == {"user": "shop", "number": 80, "key": KEY}
    done = sandbox.run("job", "submit", "--", "python", "-c", "import os; print(os.environ['PGUSER']); exit(3)", code=3)
    assert "shop" in done.stdout
    sandbox.run("down", "--volumes", "--yes")

"""The user's own services on a real cluster: steps, hooks, a gRPC check, a schedule, and single ones stopped."""

from __future__ import annotations

import os
import signal

import pytest

from tests.helpers import free_port, until
from tests.integration.conftest import Sandbox

pytestmark = pytest.mark.ray

# As an object store: it answers when it is well, and what it holds is in a folder of its own.
STORE = """
import http.server, os, pathlib
pathlib.Path("objects").mkdir(exist_ok=True)
address, handler = ("127.0.0.1", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler
http.server.ThreadingHTTPServer(address, handler).serve_forever()
"""
MIGRATE = """
import os, pathlib, sys
assert os.environ["REDIS_URL"]
if pathlib.Path("broken").exists():
    sys.exit("ERROR: column visits.at already exists")
with open("migrated", "a") as file:
    print("once", file=file)
"""
RPC = """
import os, pathlib, time
from concurrent.futures import ThreadPoolExecutor
import grpc
assert pathlib.Path("migrated").exists()
began = time.monotonic()
def check(request, context):
    return b"\\x08\\x01" if time.monotonic() - began > 0.5 else b"\\x08\\x02"
handlers = {"Check": grpc.unary_unary_rpc_method_handler(check)}
server = grpc.server(ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers),))
server.add_insecure_port("127.0.0.1:" + os.environ["PORT"])
server.start()
server.wait_for_termination()
"""
HOOK = """
import os, pathlib, sys
print("told", os.environ["DAYBREAK_HOOK"], flush=True)
with open("hooks", "a") as file:
    print(os.environ["DAYBREAK_HOOK"], "RAY_ADDRESS" in os.environ, file=file)
sys.exit(int(pathlib.Path("refuses").exists()))
"""
SPEC = """
page: false
warm: false
dashboard: false
workers: {{count: 0}}
databases: {{redis: {{}}}}
hooks:
  before_up: [python3, hook.py]
  after_restart: [python3, hook.py]
  before_down: [python3, hook.py]
services:
  store:
    command: [python, store.py]
    tier: data
    env: {{PORT: "{store}"}}
    ports: [{store}]
    check: {{http: "http://127.0.0.1:{store}/"}}
  migrate: {{command: [python, migrate.py], needs: [redis, store]}}
  rpc:
    command: [python, rpc.py]
    env: {{PORT: "{rpc}"}}
    needs: {{migrate: done}}
    check: {{grpc: "127.0.0.1:{rpc}"}}
  report:
    command: [python, -c, "import sys; print('reported'); sys.exit(4)"]
    needs: [redis]
    schedule: "@yearly"
"""
FILES = {"store_py": STORE, "migrate_py": MIGRATE, "rpc_py": RPC, "hook_py": HOOK}


def lines(sandbox: Sandbox, name: str) -> list[str]:
    return (sandbox.folder / name).read_text().splitlines()


def test_all_that_services_can_be(sandbox: Sandbox) -> None:
    sandbox.write(SPEC.format(store=free_port(), rpc=free_port()), **FILES)
    up = sandbox.run("up")
    assert "hooks | told before_up" in up.stderr
    rows = sandbox.services()
    assert {name: row["state"] for name, row in rows.items()} == {
        "redis": "ready",
        "head": "ready",
        "store": "ready",
        "migrate": "completed",
        "rpc": "ready",
        "report": "scheduled",
    }
    assert sandbox.status()["state"] == "ready"
    shown = sandbox.run("status").stdout
    assert "done in" in shown
    assert " 01 Jan 00:00" in shown

    # What is stopped stays so, over a restart and a killed keeper.
    sandbox.run("stop", "store", "rpc")
    assert "stopped (by you)" in sandbox.run("status").stdout
    refused = sandbox.run("stop", "head", "stroe", code=2)
    assert "daybreak down" in refused.stderr
    assert "did you mean 'store'" in refused.stderr
    os.kill(sandbox.status()["keeper_pid"], signal.SIGKILL)
    assert "store, rpc: stopped by you" in sandbox.run("restart").stderr
    assert {name: row["reason"] for name, row in sandbox.services().items() if row["reason"] == "by you"} == {
        "rpc": "by you",
        "store": "by you",
    }
    sandbox.run("start", "rpc", "store")
    assert sandbox.services()["rpc"]["state"] == "ready"

    # A step that fails leaves what ran.
    runs = len(lines(sandbox, "migrated"))
    (sandbox.folder / "broken").touch()
    failed = sandbox.run("restart", code=1)
    assert "column visits.at already exists" in failed.stderr
    assert sandbox.services()["rpc"]["state"] == "ready"
    (sandbox.folder / "broken").unlink()
    sandbox.run("restart")
    assert len(lines(sandbox, "migrated")) == runs + 1

    # A scheduled one by hand.
    sandbox.run("start", "report")
    until(lambda: sandbox.services()["report"]["schedule"]["last"]["ended"], what="the end of a run")
    assert sandbox.services()["report"]["schedule"]["last"]["code"] == 4
    assert "reported" in sandbox.run("logs", "report").stdout

    # A hook before that fails changes nothing.
    (sandbox.folder / "refuses").touch()
    before = sandbox.column("instance")
    assert "nothing was changed" in sandbox.run("down", code=1).stderr
    assert sandbox.column("instance") == before
    sandbox.run("down", "--no-hooks")
    assert [line.split()[0] for line in lines(sandbox, "hooks")][:2] == ["before_up", "after_restart"]

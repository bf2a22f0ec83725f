"""What a spec can say, on one cluster: variables, files over files, profiles, secrets, files of variables."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from daybreak.backends.process import procfs
from tests.helpers import until
from tests.integration.conftest import Sandbox

# What nobody may find: of a file, of the environment, of a file of variables.
KEY, PASSWORD, TOKEN = "swordfish of the file", "s3cr3t:of@the/shell", "token-in-a-file-of-variables"
ROTATED = "another one since"

SPEC = """
page: false
workers:
  count: ${WORKERS:-0}
serve:
  applications: [{import: "app:main"}]
  secrets: [api-key]
secrets:
  api-key: {file: keys/api.txt}
  database: {environment: DB_PASSWORD}
env_file: app.env
services:
  api:
    command: [sh, -c, "env > seen-$DAYBREAK_SERVICE; cat $API_KEY_FILE > seen-key; exec sleep 1000"]
    env:
      GREETING: ${GREETING}
    secrets: [api-key, {name: database, env: PGPASSWORD}]
  other:
    command: [sh, -c, "env > seen-$DAYBREAK_SERVICE; exec sleep 1000"]
  console:
    command: [sleep, "1000"]
    profiles: [debug]
"""
OVERRIDE = """
services:
  api: {env: {EXTRA: "of the override"}}
"""
APP = """
import os
from pathlib import Path

from ray import serve


@serve.deployment
class App:
    def __call__(self, request):
        return {"key": Path(os.environ["API_KEY_FILE"]).read_text(), "token": os.environ["APP_TOKEN"]}


main = App.bind()
"""


def seen(sandbox: Sandbox, name: str) -> dict[str, str]:
    """The environment that a service has found: it is ready before its shell has written that, and sleeps after it."""
    until(lambda: any(one.comm == "sleep" for one in sandbox.instance_processes(name)), what=f"{name} has written")
    lines = (sandbox.folder / f"seen-{name}").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def found(sandbox: Sandbox, word: str) -> list[Path]:
    """The files of the cluster that hold a word."""
    every = [path for top in (sandbox.home, sandbox.runtime) for path in top.rglob("*") if path.is_file()]
    holding = []
    for path in every:
        with contextlib.suppress(FileNotFoundError):
            if word.encode() in path.read_bytes():
                holding.append(path)
    return holding


def test_a_spec_in_several_files_with_variables_and_secrets(sandbox: Sandbox) -> None:
    sandbox.write(SPEC, app_py=APP)
    folder = sandbox.folder
    (folder / "daybreak.override.yaml").write_text(OVERRIDE)

    # Everything that is missing is said at once, and nothing is started.
    assert "GREETING is not set" in sandbox.run("up", code=2).stderr
    sandbox.env["GREETING"] = "hello"
    refused = sandbox.run("up", code=2).stderr
    assert "daybreak.yaml:11: secrets.api-key.file" in refused
    assert "DB_PASSWORD is not set" in refused
    assert "app.env" in refused
    assert sandbox.processes() == []

    (folder / "keys").mkdir()
    (folder / "keys" / "api.txt").write_text(KEY)
    (folder / "app.env").write_text(f"APP_TOKEN='{TOKEN}'\n")
    sandbox.env["DB_PASSWORD"] = PASSWORD
    sandbox.run("up", "--profile", "debug")
    assert sandbox.get() == {"key": KEY, "token": TOKEN}
    api, other = seen(sandbox, "api"), seen(sandbox, "other")
    assert (api["GREETING"], api["EXTRA"], api["PGPASSWORD"]) == ("hello", "of the override", PASSWORD)
    assert (folder / "seen-key").read_text() == KEY
    assert other["APP_TOKEN"] == TOKEN
    assert not {"API_KEY_FILE", "PGPASSWORD", "DB_PASSWORD"} & other.keys()

    # Nobody finds them where they do not belong.
    handed = sandbox.paths.handed
    for word in (KEY, PASSWORD, TOKEN):
        assert all(path.is_relative_to(handed) for path in found(sandbox, word))
        for command in ("status", "plan", "config", "versions"):
            assert word not in sandbox.run(command, "--json").stdout
        assert word not in sandbox.run("env").stdout
        lines = [procfs.command_line(process.pid) for process in sandbox.processes()]
        assert not [line for line in lines if word in line]

    # What a later shell has otherwise is a difference, and for those alone who get it.
    before = sandbox.column("instance")
    assert "console" in before, "the profile is remembered"
    assert starts(sandbox) == set()
    sandbox.env["GREETING"] = "goodbye"
    assert starts(sandbox) == {"api"}
    sandbox.env["GREETING"] = "hello"
    sandbox.env["DB_PASSWORD"] = ROTATED
    assert starts(sandbox) == {"api"}
    sandbox.run("up")
    after = sandbox.column("instance")
    assert {name for name in after if after[name] != before[name]} == {"api"}
    assert seen(sandbox, "api")["PGPASSWORD"] == ROTATED
    assert not found(sandbox, PASSWORD), "what is handed no more is deleted"

    # By itself, or by name, it starts with what it had, whatever the shell has.
    del sandbox.env["DB_PASSWORD"]
    assert "DB_PASSWORD is not set" in sandbox.run("plan", code=2).stderr
    sandbox.run("restart", "api")
    assert seen(sandbox, "api")["PGPASSWORD"] == ROTATED

    sandbox.run("down")
    assert not found(sandbox, KEY)
    assert not found(sandbox, TOKEN)


def starts(sandbox: Sandbox) -> set[str]:
    """What `up` would start."""
    return {step["service"] for step in json.loads(sandbox.run("plan", "--json").stdout)["start"]}

"""A cluster with its own user, scripts and several databases, as somebody brings them from a compose file."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Sandbox
from tests.integration.test_databases_real import found_postgres

pytestmark = pytest.mark.database

SPEC = """
workers: {count: 0}
warm: false
gateway: false
dashboard: false
databases:
  postgres:
    user: %(user)s
    database: store
    password_file: secret
    trust_socket: true
    databases: %(databases)s
    roles: {report: {member_of: [pg_read_all_data]}}
    init: init
  redis: {databases: {queue: 3}}
"""


def test_everything_is_there_and_changes_while_the_server_runs(sandbox: Sandbox) -> None:
    found_postgres()

    def said(*words: str) -> str:
        return sandbox.run("run", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *words).stdout.strip()

    (sandbox.folder / "init").mkdir()
    broken = sandbox.folder / "init/2.sh"
    (sandbox.folder / "init/1.sql").write_text("CREATE TABLE item (n int); INSERT INTO item VALUES (1);")
    broken.write_text("no-such-program\n")
    (sandbox.folder / "secret").write_text("it's a 1st \\ secret\n")
    sandbox.write(SPEC % {"user": "shop", "databases": "[orders]"})
    failed = sandbox.run("up", code=1)
    assert f"the init script {broken} could not run to its end (exit code 127): {broken}" in failed.stderr
    broken.unlink()

    sandbox.run("up")
    # Over the socket nobody is asked, over the port libpq finds the password of each role.
    assert said("-c", "SELECT current_user, n FROM item") == "shop|1"
    assert said("-h", "127.0.0.1", "-U", "report", "-c", "SELECT n FROM item") == "1"
    told = sandbox.run("run", "--", "sh", "-c", 'echo "$POSTGRES_PASSWORD $POSTGRES_DB $REDIS_URL_QUEUE"').stdout
    assert told.startswith("it's a 1st \\ secret store redis://:")
    assert told.strip().endswith("/3")

    before = sandbox.column("pid")
    (sandbox.folder / "secret").write_text("another secret of mine\n")
    sandbox.write(SPEC % {"user": "shop", "databases": "{ledger: {user: shop}}"})
    notes = sandbox.run("plan").stderr + sandbox.run("plan").stdout
    assert "the database orders stays, with what it holds" in notes
    assert "the role orders stays, with its password" in notes
    assert "are brought up to date while it runs" in notes
    assert said("-h", "127.0.0.1", "-c", "SELECT 1") == "1", "a plan changes nothing"
    sandbox.run("up")
    assert said("-h", "127.0.0.1", "-d", "ledger", "-c", "SELECT current_user") == "shop"
    assert sandbox.column("pid")["postgres"] == before["postgres"]

    (sandbox.folder / "secret").write_text("a third secret of mine\n")
    up = sandbox.run("up")
    assert "what runs knows the old password of shop until `daybreak restart`" in up.stdout + up.stderr
    assert sandbox.column("pid")["postgres"] == before["postgres"]
    assert said("-h", "127.0.0.1", "-c", "SELECT n FROM item") == "1"
    assert "third secret" not in (sandbox.root / "wanted.json").read_text()

"""The keeper is that of the package which starts it, and nothing beside the package reaches the services."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import daybreak

# As a command does whose package is not installed where its interpreter looks. It prints the keeper's pid, its version
# and its environment, which is what services inherit.
COMMAND = """
import json, sys
sys.path.insert(0, sys.argv[1])
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths

paths = ClusterPaths.of("apart")
# The keeper has nothing to look after: it stays as long as somebody is connected.
with client.ensure(paths):
    with client.request(paths, "status") as request:
        found = request.result()
    environment = open(f"/proc/{found['keeper_pid']}/environ").read().split("\\0")
print(json.dumps([found["keeper_pid"], found["daybreak"], environment]))
"""


def test_the_package_folder_is_not_handed_on_to_services(tmp_path: Path) -> None:
    source = Path(daybreak.__file__).parent
    site = tmp_path / "site"
    shutil.copytree(source, site / "daybreak", ignore=shutil.ignore_patterns("__pycache__"))
    package = site / "daybreak" / "__init__.py"
    package.write_text(package.read_text().replace(f'"{daybreak.__version__}"', '"0.0.1.apart"'))
    runtime = tempfile.mkdtemp(prefix="dbr", dir="/tmp")
    places = {"DAYBREAK_HOME": str(tmp_path / "home"), "DAYBREAK_RUNTIME": runtime, "PYTHONPATH": "/mine"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, str(site)],
            env=os.environ | places,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        pid, version, environment = json.loads(done.stdout)
        with contextlib.suppress(ProcessLookupError):  # it has left by itself
            os.kill(pid, signal.SIGKILL)
    finally:
        shutil.rmtree(runtime, ignore_errors=True)
    assert version == "0.0.1.apart"
    assert "PYTHONPATH=/mine" in environment
    assert not [variable for variable in environment if str(site) in variable]

"""Safe by default: loopback, tokens, private files, no secret where others can read it. One cluster, tests in order."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import stat
import urllib.error
from pathlib import Path
from typing import Any

import psutil
import pytest

from daybreak.backends.process import procfs
from tests.integration.conftest import APP, RAY_RELEASE, Sandbox

pytestmark = pytest.mark.ray

SPEC = """
workers: {count: 1}
serve: {applications: [{import: "app:main"}]}
databases: {postgres: {}, redis: {}}
"""
has_tokens = pytest.mark.skipif(RAY_RELEASE < (2, 52), reason="this Ray has no token authentication")
# Ray binds these to all interfaces whatever address it is given: gRPC of GCS, raylet, agents, workers and drivers
# (they ask for the token where Ray has tokens), and read-only metrics of monitor, dashboard and agents.
RAYS_OWN = ("gcs_server", "raylet", "ray::", "python", "ray-dashboard")
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


def secrets(sandbox: Sandbox) -> dict[str, str]:
    return {path.name: path.read_text().strip() for path in (sandbox.root / "secrets").iterdir()}


def tokens(sandbox: Sandbox) -> list[str]:
    found = secrets(sandbox)
    return [found[name] for name in ("ray-token", "postgres", "redis")]


def connections(pid: int, kind: str) -> list[Any]:
    """Those of a process; none of one that has ended since."""
    try:
        return list(psutil.Process(pid).net_connections(kind=kind))
    except psutil.NoSuchProcess:
        return []


def test_the_doors_of_people_are_on_loopback(shared: Sandbox) -> None:
    shared.write(SPEC, app_py=APP)
    done = shared.run("up")
    assert ("CVE-2023-48022" in done.stderr + done.stdout) is (RAY_RELEASE < (2, 52)), (
        "it warns of a Ray with known holes"
    )
    doors = {8000 + shared.offset: "Serve", 8265 + shared.offset: "dashboard"}
    public = []
    for process in shared.processes():
        for connection in connections(process.pid, "tcp"):
            if connection.status != psutil.CONN_LISTEN:
                continue
            address, port = connection.laddr
            loopback = ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback
            name = process.comm
            if not loopback and (port in doors or not name.startswith(RAYS_OWN)):
                public.append(f"{name} (pid {process.pid}) listens on {address}:{port}")
    assert public == []


def test_databases_listen_on_loopback_only(shared: Sandbox) -> None:
    for service in ("postgres", "redis"):
        addresses = [
            connection.laddr[0]
            for process in shared.instance_processes(service)
            for connection in connections(process.pid, "tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert addresses
        assert all(ipaddress.ip_address(address).is_loopback for address in addresses)


@has_tokens
def test_the_jobs_api_asks_for_the_token(shared: Sandbox) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        shared.get("/api/jobs/", base=shared.dashboard)
    assert refused.value.code == 401
    token = secrets(shared)["ray-token"]
    jobs = shared.get("/api/jobs/", base=shared.dashboard, headers={"Authorization": f"Bearer {token}"})
    assert isinstance(jobs, list)


@has_tokens
def test_a_driver_without_the_token_is_refused(shared: Sandbox) -> None:
    code = (
        "import os\n"
        "for key in ('RAY_AUTH_MODE', 'RAY_AUTH_TOKEN_PATH'): os.environ.pop(key, None)\n"
        "os.environ['HOME'] = '/nonexistent'\n"
        "os.environ['RAY_NUM_REDIS_GET_RETRIES'] = '3'\n"  # a second each; 20 of them else
        "import ray\n"
        "try: ray.init(log_to_driver=False)\n"
        "except Exception as error: print('refused', type(error).__name__)\n"
        "else: print('let in')"
    )
    assert "refused" in shared.run("run", "--", "python", "-c", code).stdout


def test_state_secrets_and_sockets_are_private(shared: Sandbox) -> None:
    folders = [shared.root / name for name in ("secrets", "logs", "services", "data")]
    for folder in (shared.root, shared.runtime, *shared.runtime.glob("????????"), *folders):
        assert stat.S_IMODE(folder.stat().st_mode) == PRIVATE_FOLDER, folder
    files = [*(shared.root / "secrets").iterdir(), *(shared.root / "services").glob("*.json")]
    files += [shared.root / name for name in ("wanted.json", "ports.json", "keeper.lock")]
    files += [*shared.root.glob("timeline.db*"), *shared.root.glob("config/*"), *shared.runtime.glob("*/serve-*.json")]
    files += [*(shared.root / "logs").glob("*.log")]
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    (sock,) = shared.runtime.glob("*/keeper.sock")
    assert stat.S_IMODE(sock.stat().st_mode) & 0o077 == 0


def test_no_secret_in_any_command_line(shared: Sandbox) -> None:
    for process in shared.processes():
        line = procfs.command_line(process.pid)
        assert not any(token in line for token in tokens(shared)), process


def test_no_secret_in_logs_output_or_history(shared: Sandbox) -> None:
    texts = {f"output of {args}": shared.run(*args).stdout for args in (["status", "--json"], ["env"], ["logs"])}
    texts["plan"] = shared.run("plan", "--json").stdout
    files = [path for path in shared.runtime.rglob("*") if path.is_file() and path.suffix in (".log", ".out", ".err")]
    files += [*(shared.root / "logs").iterdir(), *shared.root.glob("timeline.db*"), shared.root / "wanted.json"]
    texts |= {str(path): path.read_bytes().decode("latin-1") for path in files}
    assert len(files) > 10
    for where, text in texts.items():
        assert not any(token in text for token in tokens(shared)), where


def test_the_keeper_has_no_door_but_its_socket_and_the_page_and_no_secret_in_sight(shared: Sandbox) -> None:
    keeper = psutil.Process(shared.status()["keeper_pid"])
    listening = [c.laddr for c in keeper.net_connections(kind="inet") if c.status == psutil.CONN_LISTEN]
    assert listening == [("127.0.0.1", 8080 + shared.offset)]
    shown = " ".join([*keeper.cmdline(), *keeper.environ().values()])
    shown += shared.run("logs", "keeper").stdout + shared.run("env", "--json").stdout
    assert not any(token in shown for token in tokens(shared))


def test_the_chosen_ports_are_private_like_the_rest(shared: Sandbox) -> None:
    for path in shared.root.rglob("*"):
        if path.is_file() and not path.is_relative_to(shared.root / "data"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@has_tokens
def test_a_wrong_token_is_refused(shared: Sandbox) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        shared.get("/api/jobs/", base=shared.dashboard, headers={"Authorization": f"Bearer {'0' * 64}"})
    assert refused.value.code == 403


def temporary_folders(sandbox: Sandbox) -> set[Path]:
    """The folders of Python's multiprocessing (`pymp-*`) in which processes of the cluster have a socket now."""
    found = set()
    for process in sandbox.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {Path(str(one.laddr)).parent for one in connections(process.pid, "unix")}
    return {folder for folder in found if folder.name.startswith("pymp-")}


# Before Ray's dashboard had processes for its modules nothing made one.
@pytest.mark.one_ray
def test_down_leaves_no_temporary_folder_behind(shared: Sandbox) -> None:
    # Told by their sockets: other clusters on this machine come and go meanwhile.
    begun = temporary_folders(shared)
    shared.run("restart", "--in-place")
    begun |= temporary_folders(shared)
    shared.run("down")
    own = (shared.root, shared.runtime)
    assert [folder for folder in begun if folder.exists() and not any(map(folder.is_relative_to, own))] == []


def test_a_runtime_folder_that_is_somebody_elses_link_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    sandbox.runtime.rmdir()
    os.symlink(target, sandbox.runtime)
    sandbox.write("workers: {count: 0}\n")
    try:
        assert "is a link" in sandbox.run("up", code=1).stderr
    finally:
        sandbox.runtime.unlink()
        sandbox.runtime.mkdir()

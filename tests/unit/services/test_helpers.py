"""Ray's helpers are known by Ray's own files and titles; what is the user's is asked before it is killed."""

from __future__ import annotations

import pytest

from daybreak.programs.common.proc import is_helper
from daybreak.services.ray.helpers import helpers
from daybreak.services.site import RayInstall, Site

RAY = "/venv/lib/python3.11/site-packages/ray"
PYTHON = "/venv/bin/python"


def site(**ray: object) -> Site:
    values = {"vendored": (f"{RAY}/thirdparty_files",), **ray}
    install = RayInstall("2.60.0", PYTHON, "/venv/bin/ray", **values)  # type: ignore[arg-type]
    return Site("/app", "/state", "/run/x", "/logs", "/data", "/secrets", install, "127.0.0.2")


RAYS = [
    f"{RAY}/core/src/ray/gcs/gcs_server --log_dir=/x",
    f"{PYTHON} -u {RAY}/autoscaler/_private/monitor.py --logs-dir=/x",
    f"{PYTHON} -u {RAY}/autoscaler/v2/monitor.py --logs-dir=/x",
    f"/state/warm/python /x/programs/node/log_monitor.py {RAY}/_private/log_monitor.py --session-dir=/x",
    f"/bin/sh /state/warm/stand 12 {RAY}/dashboard/dashboard.py --host=127.0.0.1",
    f"ray-dashboard-NodeHead-0 ({PYTHON} -c from multiprocessing.forkserver import main; main(3, 4))",
    f"{PYTHON} -c from multiprocessing.forkserver import main; main(3, 4)",
    f"{PYTHON} -c from multiprocessing.resource_tracker import main;main(5)",
    f"{PYTHON} -m ray.util.client.server --address=x",
    f"{PYTHON} /venv/bin/ray start --head --block",
]
USERS = [
    "python monitor.py",
    "/venv/bin/python /app/my/dashboard.py --port 80",
    "/venv/bin/python /app/log_monitor.py",
    "python /app/tools/array start",
    "python /app/exporter.py --prefix ray-dashboard-metrics",
    "python -c import multiprocessing.resource_tracker",
    f"{PYTHON} -u {RAY}/dashboard/agent.py --dashboard-agent",
    f"{RAY}/core/src/ray/raylet/raylet --raylet_socket_name=/x",
    "ray::monitor.py",
    "streamlit run /app/programs/deploy/dashboard.py",
]


@pytest.mark.parametrize("line", RAYS)
def test_what_is_ray_s_own_is_killed_when_the_others_have_gone(line: str) -> None:
    assert is_helper(line, helpers(site()))


@pytest.mark.parametrize("line", USERS)
def test_what_is_not_is_asked(line: str) -> None:
    assert not is_helper(line, helpers(site()))


def test_daybreak_s_own_programs_are_helpers() -> None:
    found = [part for part in helpers(site()) if part.endswith(("/programs/node/start.py", "/programs/node/watch.py"))]
    assert len(found) == 2
    assert all(is_helper(f"{PYTHON} -IS {part} {{}}", helpers(site())) for part in found)


def test_where_ray_s_folder_is_not_known() -> None:
    assert is_helper(RAYS[4], helpers(site(vendored=())))
    assert not is_helper(USERS[1], helpers(site(vendored=())))

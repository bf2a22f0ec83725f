"""Makes /opt/ray at home in the image that it was copied into, and notes which Ray it is.

Run as root by the image's own interpreter. /opt/daybreak/ray.json then holds what `ray_probe.py` says, and `python`.
"""

import json
import os
import subprocess
import sys

PREFIX = "/opt/ray"
PYTHON = f"{PREFIX}/bin/python"
HERE = "/opt/daybreak"
# What the processes of a node import, and drivers. A slim image has Python's own modules uncompiled, and the account
# that runs here cannot write beside them: every process would compile two hundred modules anew.
ENTRIES = """ray ray.serve ray.scripts.scripts ray.dashboard.dashboard ray.dashboard.head ray.dashboard.agent
ray.dashboard.subprocesses.module ray.dashboard.modules.job.job_head ray.dashboard.modules.serve.serve_head
ray.dashboard.modules.state.state_head ray.dashboard.modules.reporter.reporter_agent ray._private.log_monitor
ray._private.runtime_env.agent.main ray._private.workers.default_worker ray.autoscaler._private.monitor
ray.util.client.server ray.util.state ray.job_submission ray.serve._private.controller ray.serve._private.proxy
ray.serve._private.replica asyncio.subprocess csv http.server logging.config multiprocessing.forkserver pdb sqlite3
statistics unittest.mock xml.etree.ElementTree""".split()
IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception:
        pass  # another Ray has other modules
"""


def main() -> "str | None":
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    built = [name for name in os.listdir(f"{PREFIX}/lib") if name.startswith("python3")]
    if built != [f"python{version}"]:
        return f"RUNTIME has Python {version}, and Ray was installed for {', '.join(built)}: give images of one version"
    executable = os.path.realpath(sys.executable)
    for name in ("python", "python3", f"python{version}"):
        link = f"{PREFIX}/bin/{name}"
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(executable if name == "python" else "python", link)
    with open(f"{PREFIX}/pyvenv.cfg", "w", encoding="utf-8") as file:
        file.write(f"home = {os.path.dirname(executable)}\ninclude-system-site-packages = false\nversion = {version}\n")
    found = json.loads(subprocess.check_output([PYTHON, "-I", f"{HERE}/ray_probe.py"]))
    if found.get("version") is None or found.get("missing"):
        return f"Ray is not whole in this image: {json.dumps(found)}"
    with open(f"{HERE}/ray.json", "w", encoding="utf-8") as file:
        json.dump({"python": PYTHON, **found}, file)
    # Root may write what it compiles.
    subprocess.check_call([PYTHON, "-c", IMPORT, *ENTRIES], env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""})
    return None


if __name__ == "__main__":
    sys.exit(main())

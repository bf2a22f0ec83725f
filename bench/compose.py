"""Docker Compose, where this machine has it, and the images that it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

APP_IMAGE = "daybreak/app:latest"


@cache
def compose(file: str) -> tuple[str, ...]:
    """Compose 2, as the plugin of `docker`, with a file; empty where there is none."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return (docker, "compose", "--file", file)
    return ()


def absent(*images: str) -> list[str]:
    """What is missing: Compose, and each image."""
    docker = shutil.which("docker", path=f"/usr/bin:{os.environ.get('PATH', '')}") or "docker"

    def there(image: str) -> bool:
        try:
            return subprocess.run([docker, "image", "inspect", image], capture_output=True, check=False).returncode == 0
        except OSError:
            return False

    return ["docker compose"] * (not compose("")) + [f"image {image}" for image in images if not there(image)]

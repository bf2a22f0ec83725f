"""`python -m pictures`: make the pictures of the docs anew (needs `pip install '.[dev,plots]'` and a Chromium)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from pictures.scene import DESKTOP, PHONE, Cluster, browser, cluster, ended, keep, shows, until

FOLDER = Path(__file__).parents[1] / "docs" / "images"
# A history that the page has something to say about.
EARLIER = 6


def page(cluster: Cluster, folder: Path) -> None:
    """The page while the cluster starts, restarts and recovers; then at rest, on a phone and in the dark."""
    with browser() as chromium:
        desk = chromium.new_page(viewport=DESKTOP)
        start = cluster.begin("up", "3")
        until(lambda: cluster.answers(cluster.page), "the page answers")
        desk.goto(cluster.page)
        keep(desk, folder / "page-up.png")
        ended(start)
        for _ in range(EARLIER):
            cluster.run("restart")

        restart = cluster.begin("restart")
        shows(desk, "restarting")
        desk.wait_for_function(
            "() => document.querySelector('#services [data-key=serve]').textContent.includes('Serve')"
        )
        keep(desk, folder / "page-restart.png")
        ended(restart)

        shows(desk, "ready")
        os.kill(cluster.pids()["head"], signal.SIGKILL)
        shows(desk, "recovering")
        keep(desk, folder / "page-crash.png")
        shows(desk, "ready")
        desk.wait_for_function("() => document.querySelector('#h-last').textContent === 'Last start'")
        keep(desk, folder / "page.png", whole=True)

        desk.goto(f"{cluster.page}logs/serve")
        desk.wait_for_function("() => document.querySelectorAll('#log p').length > 3")
        keep(desk, folder / "page-log.png")
        night = chromium.new_page(viewport=DESKTOP, color_scheme="dark")
        night.goto(cluster.page)
        keep(night, folder / "page-dark.png")
        phone = chromium.new_page(viewport=PHONE, device_scale_factor=1.5, color_scheme="dark")
        phone.goto(cluster.page)
        keep(phone, folder / "page-phone.png")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with cluster("prometheus: false\n") as made:
        page(made, FOLDER)


if __name__ == "__main__":
    main()

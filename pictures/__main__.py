"""`python -m pictures [SCENE...]`: make the docs' pictures anew (needs `pip install '.[dev,plots]'` and a Chromium)."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pictures.scene import (
    DESKTOP,
    OFFSET,
    PHONE,
    Cluster,
    ask,
    browser,
    cluster,
    ended,
    keep,
    keep_few_colours,
    shows,
    until,
)
from pictures.terminal import terminal

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = Path(__file__).parents[1] / "docs" / "images"
# A history that the page has something to say about.
EARLIER = 6
# Starts of the plots, with each number of workers.
STARTS = 2
MOST_WORKERS = 3


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


def words(cluster: Cluster, folder: Path) -> None:
    """What `logs` and `doctor` print on a terminal, and an alert."""
    with browser() as chromium:
        cluster.run("up", "2")
        ask(f"{cluster.serve}/visits", b"")
        ask(f"{cluster.serve}/nowhere")
        terminal(cluster, chromium, folder / "logs.png", "logs", "-l", "4", lines=24)
        alert(cluster, chromium, folder / "alert.png")
        os.kill(cluster.pids()["keeper"], signal.SIGKILL)
        os.kill(cluster.pid_of("raylet"), signal.SIGKILL)
        terminal(cluster, chromium, folder / "doctor.png", "doctor")


def alert(cluster: Cluster, chromium: Browser, file: Path) -> None:
    """Prometheus shows a database that hangs."""
    page = chromium.new_page(viewport=DESKTOP)
    database = cluster.pids()["postgres"]
    os.kill(database, signal.SIGSTOP)
    try:
        until(lambda: "firing" in ask(f"http://127.0.0.1:{9090 + OFFSET}/api/v1/alerts"), "the alert fires")
        # Debian's Prometheus has the pages of earlier ones.
        page.goto(f"http://127.0.0.1:{9090 + OFFSET}/classic/alerts")
        page.wait_for_load_state("networkidle")
        page.get_by_text("DatabaseDown").first.click()
        page.wait_for_timeout(500)  # it unfolds
        keep(page, file)
    finally:
        os.kill(database, signal.SIGCONT)


def plots(cluster: Cluster, folder: Path) -> None:
    """Starts with each number of workers, and restarts."""
    for workers in range(1, MOST_WORKERS + 1):
        cluster.run("perf", "startup", str(workers), "--runs", str(STARTS))
    cluster.run("up", str(MOST_WORKERS))
    cluster.run("perf", "restart", "--runs", str(STARTS))
    starts = [str(run["id"]) for run in cluster.runs() if run["kind"] == "startup"]
    for name, *words in (
        ("phases", "--run", starts[0]),
        ("history",),
        ("workers", "--workers"),
        ("compare", "--compare", starts[-1], starts[0]),
    ):
        cluster.run("perf", "plot", *words, "-o", str(folder / f"{name}.png"))
        keep_few_colours(folder / f"{name}.png")


SCENES: dict[str, tuple[str, Callable[[Cluster, Path], None]]] = {
    "page": ("prometheus: false\n", page),
    "words": ("prometheus: {interval: 1s, alert_after: 2s}\nhealth: {interval: 1s, timeout: 1s}\n", words),
    "plots": ("prometheus: false\n", plots),
}


def main(chosen: list[str]) -> None:
    """Make the pictures of the scenes that are named, of all without a name."""
    FOLDER.mkdir(exist_ok=True)
    for name in chosen or SCENES:
        spec, scene = SCENES[name]
        with cluster(spec) as made:
            scene(made, FOLDER)


if __name__ == "__main__":
    main(sys.argv[1:])

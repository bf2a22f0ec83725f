"""A real Chromium. Where there is none these tests are skipped, and say so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.world import World

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SERVICES = ("postgres", "head", "worker-1", "worker-2", "serve")


def chromium() -> str | None:
    """The browser's program: `$DAYBREAK_CHROMIUM`, else the machine's."""
    given = os.environ.get("DAYBREAK_CHROMIUM")
    return given or next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a module. While it is there, no test can have an event loop of its own."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[dev]'")
    program = chromium()
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or name it in DAYBREAK_CHROMIUM")
    with api.sync_playwright() as playwright:
        # Its sandbox needs rights that containers, and root, do not have; the pages are our own.
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


class Tab:
    """A tab, and everything that went wrong in it."""

    def __init__(self, browser: Browser, world: World, **options: Any) -> None:
        self.context = browser.new_context(reduced_motion="reduce", **options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.world = world
        self.troubles: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("dialog", self._dismiss)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", self._note)

    def _dismiss(self, dialog: Dialog) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"{message.type}: {message.text}")

    def open(self, path: str = "", *, token: bool = False) -> Page:
        """Open a page, with a session where asked."""
        if token:
            self.page.goto(f"{self.world.url}?token={self.world.do(lambda _: self.world.access.ticket())}")
        self.page.goto(self.world.url + path)
        return self.page


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A cluster that has never been started, behind a page on a real port."""
    with World(tmp_path, *SERVICES) as made:
        yield made
        made.do(lambda source: source.close())


@pytest.fixture
def tab(browser: Browser, world: World) -> Iterator[Tab]:
    """A desktop's tab, which must stay free of errors."""
    made = Tab(browser, world, viewport={"width": 1280, "height": 900})
    yield made
    made.context.close()
    assert made.troubles == []
    assert all(url.startswith(world.url) for url in made.requests), "the page asked elsewhere"

"""`daybreak dev` in a real Chromium: what is wrong is shown over the page, and new code loads it anew."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from daybreak.extras.dev.browser.door import Door
from daybreak.extras.dev.browser.notices import Notices
from tests.unit.extras.dev.doors import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DEADLINE_MS = 60_000
SEND = (
    "() => { const form = document.createElement('form'); form.method = 'post'; "
    "document.body.append(form); form.submit(); }"
)
LINES = ["app.py:3:7: '(' was never closed", "    x = (", "<img src=x onerror=alert(1)>"]


class Application(ThreadingHTTPServer):
    """Answers with a page that says how often it was asked, under a policy of its own."""

    daemon_threads = True
    asked = 0


class Handler(BaseHTTPRequestHandler):
    server: Application

    def do_GET(self) -> None:
        if self.path == "/":
            self.server.asked += 1
        body = f"<!doctype html><body><h2>asked {self.server.asked}</h2></body></html>".encode()
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'self'")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - its name is the base's

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served() -> Iterator[tuple[Door, Notices]]:
    with Application(("127.0.0.1", 0), Handler) as application:
        thread = threading.Thread(target=application.serve_forever)
        thread.start()
        try:
            with opened(f"http://127.0.0.1:{application.server_port}") as found:
                yield found
        finally:
            application.shutdown()
            thread.join()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab in which nothing goes wrong, and nothing asks."""
    context, troubles = browser.new_context(), list[str]()
    made = context.new_page()
    made.set_default_timeout(DEADLINE_MS)
    made.on("pageerror", lambda error: troubles.append(str(error)))
    made.on("dialog", lambda dialog: troubles.append(dialog.message))
    yield made
    context.close()
    assert troubles == []


def test_a_mistake_is_shown_as_text_and_mended_code_loads_the_page(page: Page, served: tuple[Door, Notices]) -> None:
    door, notices = served
    page.goto(door.url)
    page.get_by_text("asked 1").wait_for()
    notices.wrong("1 syntax error; the version before goes on", LINES)
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "1 syntax error" in alert.inner_text()
    # As text, and not as an element of the page.
    assert LINES[2] in alert.inner_text()
    assert alert.locator("img").count() == 0
    notices.replaced()
    page.get_by_text("asked 2").wait_for()
    assert page.get_by_role("alert").count() == 0


def test_a_mistake_that_is_taken_back_is_no_longer_shown_and_escape_hides_it(
    page: Page, served: tuple[Door, Notices]
) -> None:
    door, notices = served
    notices.wrong("it does not start", ["app.py:1"])
    page.goto(door.url)
    page.get_by_role("alert").wait_for()
    notices.mended()
    page.get_by_role("alert").wait_for(state="detached")
    notices.wrong("it does not start again", ["app.py:1"])
    page.get_by_role("alert").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("alert").wait_for(state="hidden")
    page.get_by_text("asked 1").wait_for()


def test_what_a_form_has_sent_is_not_sent_again(page: Page, served: tuple[Door, Notices]) -> None:
    door, notices = served
    page.goto(door.url)
    page.evaluate(
        "() => { const f = document.createElement('form'); f.method = 'post'; document.body.append(f); f.submit(); }"
    )
    page.get_by_text("asked 2").wait_for()
    notices.replaced()
    page.get_by_text("New code answers.").wait_for()
    page.get_by_text("asked 2").wait_for()


def test_a_page_of_nothing_waits_for_the_application(page: Page, served: tuple[Door, Notices]) -> None:
    door, notices = served
    upstream, door.upstream = door.upstream, None
    page.goto(door.url)
    page.get_by_text("does not answer yet").wait_for()
    door.upstream = upstream
    notices.replaced()
    page.get_by_text("asked 1").wait_for()

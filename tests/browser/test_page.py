"""The page in a real browser: it is live, nothing in a log runs, it fits a phone, and it can be used by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daybreak.timeline.event import Kind, Outcome, RunKind
from tests.browser.conftest import SERVICES, Tab
from tests.browser.world import World
from tests.unit.show.page.fake import BEGAN, TOKEN, FakeSource
from tests.unit.show.page.test_traffic_view import application, counts, second

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SOON = {"timeout": 10_000}
# What the browser notes of a connection: refused, reset, or accepted by a page that was just leaving.
LOSSES = ("net::ERR_CONNECTION_", "net::ERR_EMPTY_RESPONSE", "net::ERR_INCOMPLETE")
HOSTILE = (
    "<script>window.ran=1</script>",
    "</p></script><script>window.ran=2</script>",
    "<img src=x onerror='window.ran=3'>",
    "\x1b]8;;javascript:window.ran=4\x07click\x1b]8;;\x07",
    '" onmouseover="window.ran=5" x=\'',
    'data: {"a":1}\n\nevent: last\ndata: []',
    "\u202egnp.exe \u2028 \u2029 <svg onload=window.ran=6>",
)


def start(source: FakeSource) -> None:
    source.begin(RunKind.STARTUP)
    source.start("postgres", 0.4)
    source.start("head", 1.5)
    source.start("serve", 2.5, need="head.started")
    for name in list(source.board.rows)[2:]:
        if name.startswith("worker-"):
            source.start(name, 1.2, waited_s=2.0, need="serve")
    source.end()


def expect(page: Page, selector: str, text: str) -> None:
    """Wait until an element has this text."""
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)",
        arg=[selector, text],
        **SOON,
    )


def row(name: str) -> str:
    return f'#services tr[data-key="{name}"]'


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def test_a_restart_is_seen_while_it_happens(tab: Tab, world: World) -> None:
    world.do(start)
    page = tab.open()
    expect(page, ".state", "ready")
    page.evaluate("window.same = document.querySelector('#services table')")
    world.do(lambda source: source.begin(RunKind.RESTART))
    world.do(lambda source: source.tell(Kind.STOPPING, "head", why="restart"))
    expect(page, ".state", "restarting")
    expect(page, row("head"), "stopping")
    expect(page, "#h-last", "Under way: restart")
    world.do(lambda source: source.tell(Kind.STOPPED, "head", after_s=0.1, killed=0))
    world.do(lambda source: source.start("head", 1.0))
    expect(page, row("head"), "ready")
    world.do(lambda source: source.end())
    expect(page, ".state", "ready")
    expect(page, "#events", "run 2 done")
    expect(page, "#history", "restart")
    assert page.evaluate("document.querySelector('#said').textContent") == "demo is ready"
    # The same nodes were changed: nothing jumped, and no focus was lost.
    assert page.evaluate("window.same === document.querySelector('#services table')")


def test_requests_are_seen_every_second_and_nothing_else_is_drawn_for_it(tab: Tab, world: World) -> None:
    world.do(start)
    page = tab.open()
    assert page.evaluate("document.querySelector('#traffic').hidden")

    def come(source: FakeSource, requests: int) -> None:
        source.status_of_traffic = {"seconds": 10, "applications": [application("shop", requests)]}
        source.seconds_now = [second(int(BEGAN), shop=counts(requests))]

    world.do(lambda source: come(source, 50))
    # That there is a gateway is news of the whole page; from then on it is only that part that is asked for.
    world.do(lambda source: source.tell(Kind.NOTE, text="a gateway", level="info"))
    expect(page, "#traffic", "5 requests/s")
    with page.expect_request(f"{world.url}traffic"):
        world.do(lambda source: come(source, 120))
    expect(page, "#traffic", "12 requests/s")
    assert page.evaluate("document.querySelectorAll('#traffic polyline.rate').length") == 1
    assert overflow(page) <= 0


def test_a_crash_is_seen(tab: Tab, world: World) -> None:
    world.do(start)
    page = tab.open()
    world.do(lambda source: source.tell(Kind.EXITED, "worker-2", exit_code=-9, reason="killed by SIGKILL"))
    world.do(lambda source: source.tell(Kind.BACKING_OFF, "worker-2", delay_s=4.0, restarts=3))
    expect(page, ".state", "degraded: worker-2")
    expect(page, row("worker-2"), "killed by SIGKILL")
    expect(page, row("worker-2"), "3")
    expect(page, "#events", "exited: killed by SIGKILL")


def test_an_empty_history(tab: Tab) -> None:
    page = tab.open()
    expect(page, "#last", "No start was recorded yet")
    expect(page, "#history", "No runs were recorded yet")
    assert overflow(page) <= 0


def test_a_failed_start_says_why(tab: Tab, world: World) -> None:
    def fail(source: FakeSource) -> None:
        source.begin(RunKind.STARTUP)
        source.tell(Kind.STARTING, "head", why="not running", waited_s=0.0, last_need=None)
        source.tell(Kind.FAILED, "head", 2.0, reason="exited with code 1", exit_code=1, log="", tail=[])
        source.end(Outcome.FAILED, "head exited with code 1 before it was ready")

    world.do(fail)
    page = tab.open()
    expect(page, "#last", "head exited with code 1 before it was ready")
    assert page.locator("#last rect.failed").count() == 1
    page.click('#history a[href="/runs/1"]')
    expect(page, "h1", "Run 1: startup")
    expect(page, "#events", "failed: exited with code 1")


def test_the_keeper_goes_and_comes_back(tab: Tab, world: World) -> None:
    world.do(start)
    page = tab.open()
    expect(page, ".state", "ready")
    world.interrupt()
    expect(page, "#link", "connection lost")
    world.resume()
    world.do(lambda source: source.tell(Kind.EXITED, "head", exit_code=1, reason="exit code 1"))
    expect(page, ".state", "degraded: head")
    page.wait_for_function("() => document.querySelector('#link').textContent === ''", **SOON)
    tab.troubles = [text for text in tab.troubles if not any(loss in text for loss in LOSSES)]


def test_thirty_two_workers(browser: Browser, tmp_path: Path) -> None:
    names = [*SERVICES[:2], *(f"worker-{number}" for number in range(1, 33)), "serve"]
    with World(tmp_path, *names) as world:
        world.do(start)
        tab = Tab(browser, world, viewport={"width": 360, "height": 740})
        page = tab.open()
        expect(page, "#services", "32 workers ready")
        assert not page.locator(row("worker-32")).is_visible()
        page.locator("#services summary").press("Enter")
        assert page.locator(row("worker-32")).is_visible()
        assert page.locator("#last .gantt tbody tr").count() == len(names)
        assert overflow(page) <= 0
        # What was unfolded stays so when the page changes.
        world.do(lambda source: source.tell(Kind.NOTE, text="a note", level="info"))
        expect(page, "#events", "a note")
        assert page.locator(row("worker-32")).is_visible()
        world.do(lambda source: source.close())
        tab.context.close()
        assert tab.troubles == []


def test_nothing_in_logs_and_events_runs(tab: Tab, world: World) -> None:
    def write(source: FakeSource) -> None:
        source.write_log("head", "\n".join(HOSTILE) + "\n")

    def tell(source: FakeSource) -> None:
        for text in HOSTILE:
            source.tell(Kind.NOTE, text=text, level="error")
            source.tell(Kind.HEALTH, "head", status="failing", reason=text)

    world.do(start)
    world.do(write)
    world.do(tell)
    page = tab.open("logs/head")
    expect(page, "#log", "<script>window.ran=1</script>")
    page.wait_for_function("() => document.querySelector('.tools').hidden === false", **SOON)
    world.do(write)  # now as a stream
    page.wait_for_function("() => document.querySelectorAll('#log p').length >= 20", **SOON)
    assert page.locator("#log").locator("script, img, svg, a").count() == 0
    assert page.evaluate("window.ran") is None
    page = tab.open()
    expect(page, "#events", "<img src=x onerror='window.ran=3'>")
    world.do(tell)
    page.wait_for_timeout(1000)
    page.hover(row("head"))
    assert page.locator("main").locator("script, img").count() == 0
    assert page.evaluate("window.ran") is None


def test_a_script_that_got_in_would_not_run(tab: Tab, world: World) -> None:
    page = tab.open()
    page.evaluate(
        "() => { const made = document.createElement('script'); made.textContent = 'window.ran = 1';"
        " document.body.append(made); document.body.setAttribute('onclick', 'window.ran = 2'); document.body.click(); }"
    )
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in tab.troubles)
    tab.troubles.clear()


def test_a_log_is_followed(tab: Tab, world: World) -> None:
    world.do(lambda source: source.write_log("head", "first\n" * 300))
    page = tab.open("logs/head")
    page.wait_for_function("() => document.querySelector('.tools').hidden === false", **SOON)
    world.do(lambda source: source.write_log("head", f"a very long line {'x' * 200_000} its end\nnews\n"))
    expect(page, "#log", "news")
    expect(page, "#log", "... (+")
    assert "its end" not in (page.text_content("#log") or "")
    assert overflow(page) <= 0
    at_end = "() => { const l = document.querySelector('#log'); return l.scrollHeight - l.scrollTop - l.clientHeight; }"
    assert page.evaluate(at_end) < 40
    page.evaluate("document.querySelector('#log').scrollTop = 0")
    page.wait_for_function("() => document.querySelector('#follow').checked === false", **SOON)
    world.do(lambda source: source.write_log("head", "later\n"))
    expect(page, "#log", "later")
    assert page.evaluate(at_end) > 40
    page.fill("#only", "NEWS")
    assert page.locator("#log p:visible").all_text_contents() == ["news"]


@pytest.fixture
def readonly(browser: Browser, world: World) -> Iterator[Page]:
    """A tab without scripts."""
    world.do(start)
    context = browser.new_context(java_script_enabled=False, viewport={"width": 800, "height": 900})
    page = context.new_page()
    yield page
    context.close()


def test_it_reads_without_scripts(readonly: Page, world: World) -> None:
    world.do(lambda source: source.write_log("head", "hello\n"))
    readonly.goto(world.url)
    assert "worker-2" in readonly.inner_text("#services")
    assert "first response" in readonly.inner_text("#last")
    assert "load it again" in readonly.inner_text("footer")
    readonly.click(f"{row('head')} a")
    assert "hello" in readonly.inner_text("#log")


def test_restarting_takes_a_login_and_a_form(tab: Tab, world: World) -> None:
    world.do(start)
    page = tab.open()
    assert page.inner_text(".act") == "read-only"
    page = tab.open(token=True)
    assert page.url == world.url
    page.locator(".act summary").press("Enter")
    # The page that comes back has the address of this one: it is no sign that the form was answered.
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_role("button", name="Restart demo").press("Enter")
    page.wait_for_url(world.url)
    assert world.do(lambda source: source.restarts) == 1


def test_a_link_that_was_used_says_so(tab: Tab, world: World) -> None:
    ticket = world.do(lambda _: world.access.ticket())
    tab.page.goto(f"{world.url}?token={ticket}")
    assert tab.page.url == world.url
    tab.context.clear_cookies()
    tab.page.goto(f"{world.url}?token={ticket}")
    assert "used already" in tab.page.inner_text("body")
    tab.troubles.clear()  # the browser notes the 401


def test_logging_in_with_the_token(tab: Tab, world: World) -> None:
    page = tab.open("login")
    page.fill("#token", "wrong")
    page.press("#token", "Enter")
    expect(page, "#refused", "not the token")
    page.fill("#token", TOKEN)
    page.press("#token", "Enter")
    page.wait_for_url(world.url)
    assert page.locator(".act summary").is_visible()
    tab.troubles.clear()  # the browser notes the 401


@pytest.mark.parametrize("path", ["", "runs/1", "logs/head", "login"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read(browser: Browser, world: World, path: str, scheme: Any) -> None:
    def fill(source: FakeSource) -> None:
        start(source)
        source.write_log("head", "x" * 5000 + "\n")
        source.tell(Kind.HEALTH, "serve", status="failing", reason="x" * 300)
        source.tell(Kind.EXITED, "worker-1", exit_code=1, reason="/a/very/long/path" * 20)

    world.do(fill)
    tab = Tab(browser, world, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = tab.open(path)
    assert overflow(page) <= 0
    assert faint(page) == []
    tab.context.close()
    assert tab.troubles == []


def faint(page: Page) -> list[str]:
    """Texts whose contrast to what is behind them is lower than WCAG AA asks for."""
    found: list[str] = page.evaluate(
        """() => {
          const parse = (text) => text.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
            .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
          const behind = (node) => {
            for (; node; node = node.parentElement) {
              const color = parse(getComputedStyle(node).backgroundColor);
              if (color.length === 3 || color[3] > 0) return color;
            }
            return [255, 255, 255];
          };
          const bad = [];
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const node = walker.currentNode.parentElement;
            if (!walker.currentNode.nodeValue.trim() || !node.checkVisibility()) continue;
            const style = getComputedStyle(node);
            const color = parse(node instanceof SVGElement ? style.fill : style.color);
            const [a, b] = [light(color), light(behind(node))].sort((x, y) => y - x);
            if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(`${node.textContent.slice(0, 30)} ${style.color}`);
          }
          return bad;
        }"""
    )
    return found


def test_it_can_be_used_by_keyboard(tab: Tab, world: World) -> None:
    world.do(start)
    world.do(lambda source: source.write_log("head", "hello\n"))
    page = tab.open()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "head"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    # The focus stays where it is while the page changes around it.
    world.do(lambda source: source.tell(Kind.EXITED, "worker-1", exit_code=1, reason="exit code 1"))
    expect(page, ".state", "degraded")
    assert page.evaluate("document.activeElement.textContent") == "head"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/logs/head$"))


def test_names_and_roles_for_screen_readers(tab: Tab, world: World) -> None:
    world.do(start)
    page = tab.open()
    for role in ("banner", "main", "navigation", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role
    for name in ("Services", "Last start", "Events", "History"):
        assert page.get_by_role("region", name=name, exact=True).count() == 1, name
        assert page.get_by_role("heading", name=name, exact=True).count() == 1, name
    assert page.get_by_role("row", name=re.compile("^head ready")).count() == 1
    assert page.get_by_role("columnheader", name="State").count() == 1

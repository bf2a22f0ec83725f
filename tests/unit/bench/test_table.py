"""The tables, and whether the pages have the newest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bench import render, table
from bench.records import Line, Sample
from bench.render import text_table
from bench.restarts.promise import promise
from bench.results import Report, save
from bench.table import END, NoTable, begin, placed, update

from tests.unit.bench.samples import MACHINE, SETTINGS, failed, report, sample, whole

BEGIN = begin("startup")
NEW = {"startup": "new"}
PAGE = f"# Title\n\n{BEGIN}\nold\n{END}\n\nrest\n"


def test_markdown_has_a_row_per_scenario() -> None:
    lines = render.startup(whole()).splitlines()
    assert lines[0].startswith("| head, 3 workers and one application | first HTTP 200 |")
    assert "all 4 nodes" in lines[0]
    assert lines[2] == "| Ray's commands | 28.0 s (27.0 to 30.0) | 1.0 | 22.0 s (21.0 to 24.0) | 1.0 | 3 |"
    assert lines[3] == "| `daybreak up` | 7.0 s (6.5 to 7.5) | 4.0 | 10.0 s (8.0 to 11.0) | 2.2 | 3 |"
    assert lines[5] == "| `daybreak restart` | 7.0 s (6.9 to 7.1) | 5.0 | - | - | 3 |"
    assert len({line.count("|") for line in lines[:6]}) == 1


def test_markdown_says_what_it_was_measured_on() -> None:
    text = render.startup(whole())
    assert "Ray 2.60.0, Python 3.11.7, 2 cores (Abacus 2000), 24 GiB, Linux 6.1 x86_64" in text
    assert "daybreak 0.1.0 (0123456789), 2026-01-02." in text


def test_markdown_shows_failed_runs_and_warnings() -> None:
    text = render.startup(report(sample("stock", 28.0, 22.0), failed("stock"), failed("daybreak")))
    assert "| Ray's commands | 28.0 s | 1.0 | 22.0 s | 1.0 | 1 of 2 |" in text
    assert "| `daybreak up` | - | - | - | - | 0 of 1 |" in text
    assert "Warning: 1 of 2 runs of stock failed" in text


def test_text_table_is_aligned() -> None:
    lines = text_table(whole()).splitlines()
    assert len({len(line) for line in lines}) == 1
    row = next(line for line in lines if line.startswith("daybreak ") and "first_200_s" in line)
    assert row.split() == ["daybreak", "first_200_s", "7.0", "s", "6.5", "s", "7.5", "s", "4.00", "3"]


def test_a_straight_line_tells_the_cost_of_one_more_worker() -> None:
    lines = tuple(Line(f"workers-{n}", f"{n} workers", f"workers-{n}", workers=n) for n in (1, 2, 4))
    samples = [Sample(f"workers-{n}", 1, "", {"all_nodes_s": 3.0 + 0.5 * n}) for n in (1, 2, 4)]
    found = replace(report(*samples), lines=lines)
    assert found.straights()["all_nodes_s"].slope == pytest.approx(0.5)
    assert "0.50 s per worker" in render.scale(found)


def test_the_table_goes_between_the_markers_and_nothing_else_changes() -> None:
    assert placed(PAGE, NEW) == f"# Title\n\n{BEGIN}\nnew\n{END}\n\nrest\n"
    assert placed(placed(PAGE, NEW), NEW) == placed(PAGE, NEW)


@pytest.mark.parametrize("page", ["", "# Title\n", f"{BEGIN}\n", f"{END}\n{BEGIN}\n"])
def test_a_page_without_both_markers_in_order_is_an_error(page: str) -> None:
    with pytest.raises(NoTable):
        placed(page, NEW)


def test_check_tells_a_stale_page_and_does_not_touch_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert "stale" in update([page], NEW, check=True)[0]
    assert page.read_text() == PAGE
    assert update([page], NEW, check=False) == []
    assert update([page], NEW, check=True) == []
    assert update([page], {"startup": "newer"}, check=True)


def test_one_page_without_markers_does_not_keep_the_other_from_its_table(tmp_path: Path) -> None:
    bare, page, absent = tmp_path / "bare.md", tmp_path / "page.md", tmp_path / "absent.md"
    bare.write_text("# Title\n")
    page.write_text(PAGE)
    wrong = update([bare, page, absent], NEW, check=False)
    assert [line.partition(":")[0] for line in wrong] == [str(bare), str(absent)]
    assert "new" in page.read_text()


def test_the_command_writes_then_finds_nothing_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, results = tmp_path / "page.md", tmp_path / "results"
    page.write_text(PAGE)
    monkeypatch.setattr(table, "PAGES", (page,))
    given = ["--results", str(results)]
    assert table.main(given) == 1
    save(whole(), results / "startup.json")
    assert table.main([*given, "--check"]) == 1
    assert table.main(given) == 0
    assert table.main([*given, "--check"]) == 0
    save(report(sample("stock", 20.0, 19.0)), results / "startup.json")
    assert table.main([*given, "--check"]) == 1


def test_the_pages_have_the_newest_tables() -> None:
    assert table.main(["--check"]) == 0


def test_the_sentence_adds_up_what_was_lost_in_every_way() -> None:
    counts = {"requests_count": 1000.0, "failed_count": 0.0}
    lines = tuple(Line(name, name, name) for name in ("redeploy", "in-place", "stock-restart", "scale"))
    samples = [sample(name, None, values=counts) for name in ("redeploy", "in-place", "scale")]
    found = Report(MACHINE, SETTINGS, lines, tuple(samples))
    assert "(redeploy, in-place), it lost 0 of 2,000 requests (" in promise(found)
    stock = sample("stock-restart", None, values=counts | {"failed_count": 900.0})
    assert "and `serve run` 900 of 1,000 (" in promise(replace(found, samples=(*samples, stock)))
    assert promise(replace(found, samples=())) == ""


def test_what_takes_hours_has_its_place_before_its_results(tmp_path: Path) -> None:
    assert placed(f"{begin('restart')}\n{END}\n", table.tables(tmp_path)) == (
        f"{begin('restart')}\nNot measured yet.\n{END}\n"
    )

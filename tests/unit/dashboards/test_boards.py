"""The dashboards that are shipped: what the builders make, as Grafana's schema has it."""

from __future__ import annotations

import json

import pytest
from dashboards.boards import ALL
from dashboards.panels import COLUMNS, Board
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel
from grafana_foundation_sdk.models.prometheus import Dataquery

from daybreak.services.watching.processes import DASHBOARDS


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.uid)
def test_what_is_shipped_is_what_the_builders_make(board: Board) -> None:
    assert (DASHBOARDS / f"{board.uid}.json").read_text() == board.text(), "run: python -m dashboards"


def test_nothing_else_is_shipped() -> None:
    assert {path.stem for path in DASHBOARDS.glob("*.json")} == {board.uid for board in ALL}


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.uid)
def test_it_is_a_dashboard_by_grafanas_schema(board: Board) -> None:
    register_default_plugins()
    found = Dashboard.from_json(json.loads(board.text()))
    assert found.uid == board.uid
    # Nothing is in it that the schema does not know, or that would be read as something else.
    assert json.loads(json.dumps(found, cls=JSONEncoder)) == json.loads(board.text())
    panels = [panel for panel in found.panels or [] if isinstance(panel, Panel) and panel.type_val != "row"]
    assert len(panels) == sum(len(row.charts) for row in board.rows)
    for panel in panels:
        assert panel.grid_pos is not None
        assert panel.grid_pos.x + panel.grid_pos.w <= COLUMNS
        assert panel.description
        assert [target for target in panel.targets or [] if isinstance(target, Dataquery)]


def test_panels_do_not_lie_on_each_other() -> None:
    for board in ALL:
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(board.text())["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, (board.uid, panel["title"])
            taken |= cells


def test_titles_are_clear() -> None:
    for board in ALL:
        titles = [chart.title for row in board.rows for chart in row.charts]
        assert len(titles) == len(set(titles)), board.uid

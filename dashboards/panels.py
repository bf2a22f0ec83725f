"""From a title, a unit and queries to a panel, by Grafana's own builders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType, DataSourceRef

# As the provisioned source is called in daybreak.services.watching.processes.
SOURCE = DataSourceRef("prometheus", "daybreak")
COLUMNS = 24
# Beside the interval that the user chose, a stretch in which every counter was read several times.
RATE = "$__rate_interval"


@dataclass(frozen=True)
class Query:
    """A PromQL expression; `legend` may name labels as `{{service}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Chart:
    """A panel. `width` is in columns of 24; `number` shows the last value alone instead of a curve over time."""

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    width: int = 12
    number: bool = False
    highest: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels under a heading."""

    title: str
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Board:
    """One dashboard; its JSON is called like its `uid`."""

    uid: str
    title: str
    rows: Sequence[Row]

    @property
    def queries(self) -> list[str]:
        return [query.expr for row in self.rows for chart in row.charts for query in chart.queries]

    def text(self) -> str:
        """Its JSON."""
        made = (
            dashboard.Dashboard(self.title)
            .uid(self.uid)
            .tags(["daybreak"])
            .readonly()
            .refresh("10s")
            .time("now-30m", "now")
            .timezone("browser")
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .link(
                dashboard.DashboardLink("Dashboards of daybreak")
                .type(DashboardLinkType.DASHBOARDS)
                .tags(["daybreak"])
                .as_dropdown(True)
                .keep_time(True)
            )
        )
        for row in self.rows:
            made = made.with_row(dashboard.Row(row.title))
            for chart in row.charts:
                made = made.with_panel(_panel(chart))
        text: str = JSONEncoder(sort_keys=True, indent=1).encode(made.build())
        return text + "\n"


def _panel(chart: Chart) -> Any:
    panel: Any = _number() if chart.number else _curve()
    panel = (
        panel.title(chart.title)
        .description(chart.description)
        .datasource(SOURCE)
        .unit(chart.unit)
        .span(chart.width)
        .height(4 if chart.number else 8)
    )
    if not chart.number:
        panel = panel.min(0)
    if chart.highest is not None:
        panel = panel.max(chart.highest)
    for place, query in enumerate(chart.queries):
        target = prometheus.Dataquery().expr(query.expr).ref_id(chr(ord("A") + place)).datasource(SOURCE)
        panel = panel.with_target(target.legend_format(query.legend or "__auto"))
    return panel


def _number() -> Any:
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    return (
        stat.Panel()
        .reduce_options(reduced)
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.VALUE)
        .no_value("-")
    )


def _curve() -> Any:
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    return timeseries.Panel().legend(legend).tooltip(tooltip).fill_opacity(8).line_width(1.5)

"""A change of a cluster: shown while it happens, and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from daybreak import api
from daybreak.cli.common.output import print_json, styled
from daybreak.cli.common.receipt_listener import ReceiptListener
from daybreak.errors import DaybreakError
from daybreak.show.pause import pause_line
from daybreak.show.progress import progress
from daybreak.show.text import harmless, in_two_columns, seconds
from daybreak.states import PageState

R = TypeVar("R")


def timed(change: Callable[[api.OnMessage], R], *, as_json: bool = False) -> tuple[R, float]:
    """Make a change and show it meanwhile; returns its result, and the seconds it took."""
    began = time.monotonic()
    with progress(live=styled() and not as_json) as shown:
        result = change(shown.message)
    return result, time.monotonic() - began


def follow(change: Callable[[api.OnMessage], api.Cluster], *, as_json: bool) -> api.Cluster:
    """Make a change, show it, then print what the cluster is, what became of requests, and where it answers."""
    receipts = ReceiptListener()
    try:
        cluster, took_s = timed(lambda on_message: change(receipts.beside(on_message)), as_json=as_json)
    except DaybreakError:
        _print_receipt(receipts)
        raise
    if as_json:
        counted = {"receipt": cluster.receipt.to_json()} if cluster.receipt else {}
        print_json({**cluster.raw, "duration_s": round(took_s, 3), **counted})
        return cluster
    print(f"{cluster.name} is {cluster.state} after {seconds(took_s)}", file=sys.stderr)
    _print_receipt(receipts)
    for line in in_two_columns(cluster.urls):
        print(line)
    page, pause = cluster.snapshot.page, cluster.snapshot.pause
    if pause:
        print(f"note: still paused, {pause_line(pause, time.time())}", file=sys.stderr)
    if page.state is PageState.FAILED:
        print(f"the page is not served: {harmless(page.reason)}", file=sys.stderr)
    return cluster


def _print_receipt(receipts: ReceiptListener) -> None:
    if receipts.line:
        print(receipts.line, file=sys.stderr)

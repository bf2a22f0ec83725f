"""While a new generation gets a part of the requests, what it fails is asked of the old one, as far as it may be sent
twice: HAProxy's configuration for that. Pure.

Such requests are shared out here, so that it is known who was asked first; all others by the servers' weights.
"""

from __future__ import annotations

from daybreak.names import SERVE
from daybreak.services.ray.addresses import upstream_host
from daybreak.services.ray.serve_config import OWN_PORT, in_slot
from daybreak.services.site import Site
from daybreak.services.slots import Slot

# How many per cent of those requests go to a slot first, by slot.
NOBODY = "".join(f"{slot} 0\n" for slot in Slot)
# A body of which the length is known is waited for, as far as the buffer reaches: what was not kept whole is not sent
# twice.
BACKEND = """
backend {name}
    stick-table type integer size 1 store gpc0
    # A connection that was closed meanwhile is no fault of the new generation's.
    option http-server-close
    option redispatch 1
    retries 1
    retry-on conn-failure empty-response 500 502 503 504
    http-request wait-for-body time {endless} if {{ hdr(Content-Length) -m found }}
    use-server {slot} if TRUE
    server {slot} {upstream} track {serve}/{slot}
    server {instead} {other_upstream} track {serve}/{other}
"""
WHOLE = """\
    http-request set-var(txn.twice) bool(true) if { method GET HEAD OPTIONS } !{ hdr(Content-Length) -m found } \
!{ hdr(Transfer-Encoding) -m found }
    http-request set-var(txn.twice) bool(true) if { hdr(Idempotency-Key) -m found }
    http-request unset-var(txn.twice) if { hdr(Upgrade) -m found }
"""
# Counted, not drawn: of ten requests 10 % are one.
SHARE = """\
    http-request set-var(txn.share) str({slot}),map_str_int({shares},0)
    http-request track-sc0 int(1) table {name} if {{ var(txn.twice) -m bool }} {{ var(txn.share) -m int gt 0 }}
    http-request set-var(txn.turn_{slot}) sc0_inc_gpc0({name}),mul(txn.share),mod(100),sub(txn.share) if \
{{ var(txn.twice) -m bool }} {{ var(txn.share) -m int gt 0 }}
"""
USE = """\
    use_backend {name} if {{ var(txn.turn_{slot}) -m int lt 0 }}
    use_backend {serve} if {{ var(txn.turn_{slot}) -m found }}
"""


def backend(slot: Slot) -> str:
    """That in which this slot is asked first."""
    return f"first-{slot}"


def instead_of(slot: Slot) -> str:
    """The server of the other slot, where it is asked because this one has failed."""
    return f"{slot.other}-for-{slot}"


def asked(server: str) -> tuple[str, str]:
    """Who has answered as this server, and who had been asked before and failed; empty where nobody had."""
    who, _, failed = server.partition("-for-")
    return who, failed


def rules(site: Site, shares: str) -> str:
    """What a frontend does with its requests. `shares` is the map's file."""
    if not _both(site):
        return ""
    named = [{"slot": slot, "name": backend(slot), "shares": shares, "serve": SERVE} for slot in Slot]
    return WHOLE + "".join(SHARE.format(**one) for one in named) + "".join(USE.format(**one) for one in named)


def backends(site: Site, endless: str) -> str:
    """Nothing where there is one slot alone."""
    if not _both(site):
        return ""
    return "".join(
        BACKEND.format(
            name=backend(slot),
            slot=slot,
            upstream=_upstream(site, slot),
            instead=instead_of(slot),
            other=slot.other,
            other_upstream=_upstream(site, slot.other),
            serve=SERVE,
            endless=endless,
        )
        for slot in Slot
    )


def _both(site: Site) -> bool:
    return all(in_slot(site, slot, OWN_PORT) in site.ports for slot in Slot)


def _upstream(site: Site, slot: Slot) -> str:
    return f"{upstream_host(site, slot)}:{site.ports[in_slot(site, slot, OWN_PORT)]}"

"""The line that the gateway writes for each request, as HAProxy takes its format. Pure.

`keeper/gateway/request_line.py` reads it. Where the spec has requests kept, it ends with what would be sent again: the
target, and each header as `name:value`, the value in base64. A dot follows: what was cut off before it is no request.
"""

from __future__ import annotations

from daybreak.spec.model import Rehearse

LONGEST_LINE = 1024
LONGEST_PATH = 200
# With a target, and headers such as a cookie. The keeper takes no longer lines.
LONGEST_WITH_REQUEST = 8000
LONGEST_TARGET = 2000
END = "."
# When the request ended (ms), application, status, how it ended, duration (ms), of which for the answer (ms), held
# (ms), bytes, slot, method, path, client.
FIELDS = (
    *("%[date(0,ms)]", "%[var(txn.app)]", "%ST", "%ts", "%Ta", "%Td"),
    *("%[var(txn.held_ms)]", "%B", "%s", "%HM", "%[var(txn.path)]", "%ci"),
)
# What may be asked once more without harm, as far as anybody can tell from outside.
SAFE = (
    "{ method GET }",
    f"{{ pathq -m len 1:{LONGEST_TARGET} }}",
    "!{ hdr(Content-Length) -m found }",
    "!{ hdr(Transfer-Encoding) -m found }",
    "!{ hdr(Upgrade) -m found }",
)
# They are secrets: requests with one are kept only where the spec names it.
CREDENTIALS = ("cookie", "authorization")


def line(rehearse: Rehearse | None) -> str:
    """The format; what it makes begins with its version."""
    if rehearse is None or not rehearse.enabled:
        return "\\t".join(("2", *FIELDS))
    headers = (f"{name}:%[var(txn.header_{number})]" for number, name in enumerate(_headers(rehearse)))
    return "\\t".join(("3", *FIELDS, " ".join(("%[var(txn.target)]", *headers, END))))


def longest(rehearse: Rehearse) -> int:
    """How many bytes a line may have."""
    return LONGEST_WITH_REQUEST if rehearse.enabled else LONGEST_LINE


def rules(rehearse: Rehearse | None) -> str:
    """What remembers of a request what its line is to tell."""
    if rehearse is None or not rehearse.enabled:
        return ""
    headers = _headers(rehearse)
    nobodys = [f"!{{ hdr({name}) -m found }}" for name in CREDENTIALS if name not in headers]
    made = ["set-var(txn.target) pathq if " + " ".join((*SAFE, *nobodys))]
    for number, name in enumerate(headers):
        made.append(f"set-var(txn.header_{number}) req.fhdr({name}),base64 if {{ var(txn.target) -m found }}")
    return "".join(f"    http-request {one}\n" for one in made)


def _headers(rehearse: Rehearse) -> list[str]:
    """Their names, each once."""
    return list(dict.fromkeys(name.lower() for name in rehearse.headers))

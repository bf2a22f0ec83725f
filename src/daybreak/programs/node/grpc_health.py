"""Asks a gRPC server whether it serves, by gRPC's own protocol for that (grpc.health.v1): ADDRESS [SERVICE].

Ends with 0 where it does. The interpreter that has Ray runs it, since that has grpcio; both messages are so small that
they are written and read here: one text with the service's name, and one number.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

METHOD = "/grpc.health.v1.Health/Check"
DEADLINE_S = 3.0
NOT_YET, NEVER = 1, 3
SERVING = 1
WORDS = {0: "UNKNOWN", SERVING: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
LONGEST_OF_ONE_BYTE = 127


def request(service: str) -> bytes:
    """HealthCheckRequest: field 1 is the service's name; nothing means the server as a whole."""
    name = service.encode()
    if not name:
        return b""
    if len(name) > LONGEST_OF_ONE_BYTE:
        raise ValueError("the service's name is too long")
    return bytes((0x0A, len(name))) + name


def status(answer: bytes) -> int:
    """HealthCheckResponse: field 1 is the status, 0 where it is left out."""
    return answer[1] if len(answer) > 1 and answer[0] == 0x08 else 0


def ask(grpc: Any, address: str, service: str) -> tuple[int, str]:
    """The exit code, and what there is to say."""
    with grpc.insecure_channel(address, options=(("grpc.enable_http_proxy", 0),)) as channel:
        try:
            answer = channel.unary_unary(METHOD)(request(service), timeout=DEADLINE_S)
        except grpc.RpcError as error:
            return _failed(grpc, error, address, service)
    found = status(answer)
    return (0 if found == SERVING else NOT_YET), f"{address} answers {WORDS.get(found, found)}"


def _failed(grpc: Any, error: Any, address: str, service: str) -> tuple[int, str]:
    code, codes = error.code(), grpc.StatusCode
    if code is codes.UNIMPLEMENTED:
        return NEVER, f"the server at {address} has no health service (grpc.health.v1.Health); check its port by tcp"
    told = {
        codes.NOT_FOUND: f"the server at {address} knows no service {service!r}",
        codes.UNAVAILABLE: f"no gRPC server answers at {address}",
        codes.DEADLINE_EXCEEDED: f"the server at {address} does not answer within {DEADLINE_S:g} s",
    }
    return NOT_YET, told.get(code, f"the server at {address} answers {code.name}: {error.details()}")


def main() -> int:
    """Returns the exit code."""
    address, service = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    try:
        grpc = importlib.import_module("grpc")
    except ImportError as error:
        print(f"{sys.executable} has no grpcio, which asks gRPC servers ({error}): install it there, or check by tcp")
        return NEVER
    code, told = ask(grpc, address, service)
    print(told)
    return code


if __name__ == "__main__":
    sys.exit(main())

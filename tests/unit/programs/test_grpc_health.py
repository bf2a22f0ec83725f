"""The program that asks gRPC servers: what it sends and reads, against a real server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from daybreak.programs.node import grpc_health
from daybreak.services.user_services import GRPC_NEVER

grpc: Any = pytest.importorskip("grpc")


def health(answers: dict[bytes, bytes]) -> Any:
    """grpc.health.v1, as far as a check sees it."""

    def check(asked: bytes, context: Any) -> bytes:
        if asked not in answers:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return answers[asked]

    handlers = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers)


@pytest.fixture
def server() -> Iterator[Any]:
    made = grpc.server(ThreadPoolExecutor(2))
    yield made
    made.stop(None)


def asked(port: int, *service: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, grpc_health.__file__, f"127.0.0.1:{port}", *service],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


def test_serving_not_serving_and_an_unknown_service(server: Any) -> None:
    server.add_generic_rpc_handlers((health({b"": b"\x08\x01", b"\x0a\x04shop": b"\x08\x02"}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    assert asked(port) == (0, f"127.0.0.1:{port} answers SERVING")
    assert asked(port, "shop") == (grpc_health.NOT_YET, f"127.0.0.1:{port} answers NOT_SERVING")
    assert asked(port, "else") == (grpc_health.NOT_YET, f"the server at 127.0.0.1:{port} knows no service 'else'")


def test_a_server_without_a_health_service_never_says_so(server: Any) -> None:
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    code, told = asked(port)
    assert code == grpc_health.NEVER == GRPC_NEVER
    assert "has no health service" in told


def test_nobody_there() -> None:
    assert asked(1) == (grpc_health.NOT_YET, "no gRPC server answers at 127.0.0.1:1")


def test_without_the_library_it_says_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "-IS", grpc_health.__file__, "127.0.0.1:1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == grpc_health.NEVER
    assert "has no grpcio" in done.stdout

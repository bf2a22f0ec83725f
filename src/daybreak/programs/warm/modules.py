"""What the template imports: what a cold Ray process loads, Ray itself excepted, in the natural order.

Ray stays out: its library freezes every RAY_* setting when it is loaded, and its generator of ids would be shared by
all forks.
"""

import contextlib
import importlib.util
import json
import os
import sys
from typing import Any, Iterator, List, Optional, Sequence

# For every Ray process; then for the dashboard and the agents; then for Serve. Only what is installed is imported.
BASE = """
asyncio argparse base64 collections concurrent.futures.thread concurrent.futures.process contextvars copy csv
ctypes ctypes.util dataclasses datetime decimal difflib enum fcntl fractions functools getpass glob gzip hashlib
heapq hmac html http.client http.cookies http.server importlib.metadata importlib.resources inspect io ipaddress
itertools json logging logging.config logging.handlers lzma mimetypes multiprocessing multiprocessing.connection
multiprocessing.forkserver multiprocessing.managers multiprocessing.pool multiprocessing.resource_tracker
multiprocessing.shared_memory multiprocessing.spawn multiprocessing.synchronize netrc numbers opcode operator
pathlib pickle pkgutil platform pprint queue random re resource runpy secrets select selectors shlex shutil
signal socket socketserver ssl string struct subprocess sysconfig tarfile tempfile textwrap threading timeit
token tokenize traceback types typing unittest.mock urllib.error urllib.parse urllib.request uuid warnings
weakref zipfile zlib zoneinfo msgpack requests urllib3 charset_normalizer idna certifi yaml uvloop filelock
attrs referencing jsonschema typing_extensions jsonschema_specifications packaging packaging.version
google.protobuf google.protobuf.descriptor_pb2 google.protobuf.json_format google.protobuf.timestamp_pb2
google.protobuf.any_pb2 google.protobuf.struct_pb2 google.protobuf.empty_pb2 google.protobuf.wrappers_pb2 click
colorful numpy numpy.random grpc grpc.aio grpc_reflection.v1alpha.reflection prometheus_client pydantic
pydantic.v1 pydantic_core annotated_types typing_inspection aiosignal aiohttp aiohttp.web aiohttp_cors multidict
yarl propcache opencensus.stats.stats opentelemetry opentelemetry.sdk.metrics opentelemetry.exporter.prometheus
opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc opencensus.metrics.export.metric_producer
opencensus.stats.view opencensus.stats.base_exporter opencensus.common.transports.sync opencensus.trace.status
opencensus.trace.time_event opencensus.trace.trace_options prometheus_client.parser pydantic.dataclasses
pydantic.deprecated.class_validators opentelemetry.sdk.trace opentelemetry.sdk.trace.export pdb faulthandler
opencensus.stats.aggregation opencensus.stats.measure starlette starlette.applications starlette.responses
starlette.routing starlette.middleware starlette.middleware.cors starlette.requests starlette.websockets anyio
anyio._backends._asyncio fastapi fastapi.encoders fastapi.middleware.cors annotated_doc uvicorn uvicorn.config
uvicorn.lifespan.on uvicorn.protocols.http.h11_impl uvicorn.protocols.http.httptools_impl httptools h11
watchfiles jinja2 dotenv websockets
""".split()
# Ray imports them where they are installed; tried first, since they may start threads.
TRIED = ("pyarrow", "pandas")
# Ray brings these itself.
VENDORED = ("psutil", "colorama")
# The program that every worker becomes; what it imports beyond the template's modules is worth learning.
WORKER = "/_private/workers/default_worker.py"
MOST_WATCHED = 5000
# Never, whoever asks: see above.
FORBIDDEN = (
    "ray",
    "_raylet",
    "daybreak",
    "daybreak_programs",
    "__main__",
    "__mp_main__",
    "sitecustomize",
    "usercustomize",
)


def allowed(name: str) -> bool:
    """May the template import it?"""
    return bool(name) and name.partition(".")[0] not in FORBIDDEN


def file_of(name: str) -> Optional[str]:
    """Where its top-level package is; None where it is not installed. Looking does not import it."""
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    return next(iter(spec.submodule_search_locations or ()), spec.origin or "")


@contextlib.contextmanager
def search(folders: Sequence[str]) -> Iterator[None]:
    """Meanwhile modules are looked for in these folders first."""
    sys.path[:0] = folders
    try:
        yield
    finally:
        for folder in folders:
            sys.path.remove(folder)


def read_learned(path: str) -> List[str]:
    """The names in a file of learned modules; none where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return [str(name) for name in json.load(file)["modules"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def threads() -> int:
    """How many threads this process has, also those that Python does not know."""
    return len(os.listdir("/proc/self/task"))


class _Watcher:
    """A finder that finds nothing, but notes what is looked for, in order."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._left = MOST_WATCHED

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> None:
        if self._left and allowed(name):
            self._left -= 1
            try:
                fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
                os.write(fd, f"{os.getpid()} {name}\n".encode())
                os.close(fd)
            except OSError:
                self._left = 0


def watch(path: str) -> None:
    """In a fork: append `PID MODULE` to a file for every import that the template could have done ahead."""
    sys.meta_path.insert(0, _Watcher(path))

"""Python's collector of garbage rests while modules are imported.

What an import makes stays, and the collector would look through all of it again and again: a seventh of the time that
the template's imports take, and a tenth of that of `import ray`.
"""

import contextlib
import gc
from typing import Iterator


@contextlib.contextmanager
def resting() -> Iterator[None]:
    """Meanwhile it does nothing by itself; afterwards it is as it was, so that one may be within another."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

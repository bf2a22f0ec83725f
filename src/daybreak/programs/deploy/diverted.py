"""Applications that reach for Ray while they are imported: `ray.init()`, `serve.run()`, a task called at the top.

`serve run` lets them: it imports first, and connects to whatever they have connected to. Here the import happens while
the head is still starting, so the first of these calls is what waits for it.
"""

import contextlib
import functools
from typing import Any, Callable, Iterator

from . import loading

# What `ray.init` takes that has a meaning for a cluster that is there already.
KEPT = ("namespace", "runtime_env", "job_config", "logging_level", "log_to_driver")
# Only these say nothing that is not done anyway.
SILENT = ("address", "ignore_reinit_error")


@contextlib.contextmanager
def diverted(connect: Callable[..., Any], start: Callable[[Any], None]) -> Iterator[None]:
    """While this lasts `ray.init` is `connect(init, **options)` where Ray is not connected yet, with what counts of its
    options, and `serve.run` and `serve.start` begin with `start(begin)`, which starts Serve as the cluster has it. Both
    are given Ray's own function.
    """
    import ray
    import ray.serve.api
    from ray import serve

    init, run, begin = ray.init, serve.run, serve.start
    ray.init = _connecting(init, connect)
    for module in (serve, ray.serve.api):
        module.run, module.start = _running(run, begin, start), _starting(begin, start)
    try:
        yield
    finally:
        ray.init = init
        for module in (serve, ray.serve.api):
            module.run, module.start = run, begin


def _connecting(init: Any, connect: Callable[..., Any]) -> Any:
    """What stands for `ray.init`."""
    import ray

    @functools.wraps(init)
    def connected(*args: Any, **options: Any) -> Any:
        if ray.is_initialized():
            return init(ignore_reinit_error=True)
        others = [name for name in options if name not in KEPT and name not in SILENT]
        elsewhere = args or options.get("address") not in (None, "auto")
        if others or elsewhere:
            what = ", ".join([*(["address"] if elsewhere else []), *others])
            print(f"{loading.users_line()}ray.init: the cluster is there already, {what} not used", flush=True)
        return connect(init, **{name: options[name] for name in KEPT if name in options})

    return connected


def _running(run: Any, begin: Any, start: Callable[[Any], None]) -> Any:
    """What stands for `serve.run`."""
    import ray

    @functools.wraps(run)
    def running(target: Any, *args: Any, **options: Any) -> Any:
        if not ray.is_initialized():
            ray.init()
        start(begin)
        options.pop("blocking", None)  # it would never return
        return run(target, *([False, *args[1:]] if args else []), **options)

    return running


def _starting(begin: Any, start: Callable[[Any], None]) -> Any:
    """What stands for `serve.start`."""
    import ray

    @functools.wraps(begin)
    def starting(*args: Any, **options: Any) -> None:
        if args or options:
            line = loading.users_line()
            print(f"{line}serve.start: Serve starts as the spec says, its options are not used", flush=True)
        if not ray.is_initialized():
            ray.init()
        start(begin)

    return starting

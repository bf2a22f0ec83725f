"""What is to replace something that works is tried first, in a process of its own: see `programs/deploy/vet.py`.

A first start is not slowed down by that: its deployment finds the same faults, and nobody loses anything.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from daybreak.backends.base import CommandResult, State
from daybreak.backends.process.inherited import inherited
from daybreak.errors import VettingFailed
from daybreak.files import read_book, write_private
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.wanted.desired import Target
from daybreak.names import HEAD, NOT_RUN_CODE, SERVE, TIMED_OUT_CODE, VERSIONS
from daybreak.programs.deploy.code_folder import NOTHING
from daybreak.run.plan import Plan
from daybreak.services.container_site import program, resolved
from daybreak.services.ray.offers import offers
from daybreak.services.ray.warm import WARM
from daybreak.services.service import Service

PROGRAM = "programs/deploy/vet.py"
MOST_OUTPUT_LINES = 12
# The program knows where it hangs: its own deadline ends first.
SPARE_S = 5.0
log = logging.getLogger(__name__)


def at_stake(steps: Plan) -> Service | None:
    """The deployment that is to start, where that ends a head that runs, or applications that it has; else None."""
    wanted = next((step.service for step in steps.start if step.service.name == SERVE), None)
    ending = {step.handle.service for step in steps.stop if step.handle.state is not State.BROKEN}
    kept = {handle.service for handle in steps.keep}
    runs = HEAD in kept | ending
    return wanted if runs and ending & {HEAD, SERVE} else None


async def vet(steps: Plan, target: Target, backends: Backends) -> None:
    """Try what is wanted. Raises VettingFailed, before anything was touched, where it cannot run.

    Containers are left out: what a new one would have is in its image.
    """
    service = at_stake(steps)
    site = target.cluster.site
    if service is None or site.engine is not None:
        return
    request, report = (Path(site.runtime) / f"vet-{name}.json" for name in ("request", "report"))
    report.unlink(missing_ok=True)
    # The link leads to what runs now.
    code = f"{site.root}/{VERSIONS}/{NOTHING if site.version is None else site.version}"
    asked = {**json.loads(service.files[0].text), "nodes": offers(target.cluster.spec), "code_link": code}
    write_private(request, json.dumps(asked))
    # A template that is to be replaced knows other packages.
    cold = any(step.handle.service == WARM for step in steps.stop)
    python = site.ray.python if cold else service.argv[0]
    argv = (python, program(site, PROGRAM), str(request), str(report))
    result = await backends.run(_as_it_will_be(service, target), argv, timeout_s=service.start_timeout_s + SPARE_S)
    found = read_book(report)
    serves = any(step.handle.service == SERVE for step in steps.stop)
    if "problems" not in found:
        _judge_end(result, service.start_timeout_s, serves)
    elif found["problems"]:
        raise _failed(found["problems"], serves)
    for text in found.get("unknown", ()):
        log.info("not tried before the start: %s", text)


def _as_it_will_be(service: Service, target: Target) -> Service:
    """The service with the environment that it is to be started with."""
    given = inherited(target.environment)
    return replace(service, env={**given, **resolved(service.env, given)})


def _judge_end(result: CommandResult, deadline_s: float, serves: bool) -> None:
    """Without a report the applications have ended the process, or it never came to its end."""
    if result.code == NOT_RUN_CODE:
        log.warning("nothing was tried before the start: %s", result.output)
        return
    if result.code == TIMED_OUT_CODE:
        reason = f"the applications are not imported within {deadline_s:g} s"
    else:
        reason = f"importing the applications ends the process with exit code {result.code}"
    raise _failed([{"reason": reason, "lines": result.output.splitlines()[-MOST_OUTPUT_LINES:]}], serves)


def _failed(problems: Sequence[dict[str, Any]], serves: bool) -> VettingFailed:
    first, *others = problems
    lines = [str(line) for line in first["lines"]]
    for other in others:
        lines += [str(other["reason"]), *(f"  {line}" for line in other["lines"])]
    hint = first.get("hint") or "mend it, then run the same command again"
    return VettingFailed(str(first["reason"]), lines, serves=serves, hint=hint)

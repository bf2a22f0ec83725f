"""New replicas before the old ones end: Serve's own `max_surge_percent`, where a deployment does not set it itself.

`ray.serve.Deployment.options` is its public way for one deployment. What a bound application is made of no public
function tells, so it is set where Serve has just built it. `percent` is of the replicas of a deployment, rounded up by
Serve to whole ones.
"""

import contextlib
import inspect
import json
import os
from typing import Any, Callable, Dict, Iterator, List, Optional

OPTION, DRAIN = "max_surge_percent", "graceful_shutdown_timeout_s"
# Set where replicas stop at a `breakpoint()`, for as long as somebody looks: meanwhile they answer no health check.
STOPS, HEALTH, LOOKS_S = "DAYBREAK_BREAKPOINTS", "health_check_timeout_s", 24 * 3600.0
# A Serve config is deployed anew only where something of it differs.
MARK = "DAYBREAK_REDEPLOYED"


def is_known() -> bool:
    """Has this Ray's Serve the option?"""
    from ray import serve

    return OPTION in inspect.signature(serve.Deployment.options).parameters


@contextlib.contextmanager
def replaced_gently(percent: int, drain_s: float, mark: Callable[[Any], None]) -> Iterator[None]:
    """Meanwhile every application that `ray.serve.run` and its like build surges by `percent`, 0 for not at all, its
    replicas have `drain_s` to end what they answer, and `mark` is told of it. Nothing where this Ray cannot surge."""
    from ray.serve import api

    build: Optional[Callable[..., Any]] = getattr(api, "build_app", None)
    if build is None or not is_known():
        yield
        return
    wanted: Dict[str, float] = {OPTION: percent, DRAIN: drain_s}
    if os.environ.get(STOPS):
        wanted[HEALTH] = LOOKS_S

    def build_gently(*args: Any, **options: Any) -> Any:
        built = build(*args, **options)
        for deployment in built.deployments:
            config = deployment._deployment_config
            for name in wanted.keys() - config.user_configured_option_names:
                setattr(config, name, wanted[name])
        mark(built)
        return built

    api.build_app = build_gently
    try:
        yield
    finally:
        api.build_app = build


def in_config(
    config: Dict[str, Any],
    told: Dict[str, Any],
    built: Dict[str, List[str]],
    percent: int,
    mark: Optional[str],
    only: str = "",
) -> Dict[str, Any]:
    """A Serve config whose deployments surge. With a `mark` all of it is deployed anew although nothing of it differs;
    without one an earlier mark stays, which would be a difference.

    `told` are the running applications by name, as Serve's REST API has them; `built` names the deployments of the new
    code by application, where that is known. Ray refuses options for a deployment that is not there. With `only` all
    other applications are told as they were before.
    """
    made = []
    for app in config["applications"]:
        name = app.get("name", "default")
        before = (told.get(name) or {}).get("deployed_app_config")
        stays = bool(only and name != only and before)
        made.append(before if stays else _application(app, told, built, percent, mark))
    return {**config, "applications": made}


def _application(
    app: Dict[str, Any], told: Dict[str, Any], built: Dict[str, List[str]], percent: int, mark: Optional[str]
) -> Dict[str, Any]:
    name = app.get("name", "default")
    running = told.get(name) or {}
    made, mark = dict(app), mark or _mark_of(running)
    if mark:
        environment = dict(app.get("runtime_env") or {})
        environment["env_vars"] = {**(environment.get("env_vars") or {}), MARK: mark}
        made["runtime_env"] = environment
    if percent:
        made["deployments"] = _deployments(app, running, built.get(name), percent)
    return made


def _mark_of(running: Dict[str, Any]) -> Optional[str]:
    """The mark that an application was deployed with."""
    environment = (running.get("deployed_app_config") or {}).get("runtime_env") or {}
    return (environment.get("env_vars") or {}).get(MARK)


def _deployments(
    app: Dict[str, Any], told: Dict[str, Any], built: Optional[List[str]], percent: int
) -> List[Dict[str, Any]]:
    listed = [dict(one) for one in app.get("deployments") or ()]
    running = told.get("deployments") or {}
    names = list(running) if built is None else built
    unlisted = [{"name": name} for name in names if name not in {one.get("name") for one in listed}]
    own = _set_in_code(told)
    for one in (*listed, *unlisted):
        if OPTION not in one and one["name"] not in own:
            one[OPTION] = percent
    return [one for one in (*listed, *unlisted) if len(one) > 1]


def _set_in_code(told: Dict[str, Any]) -> List[str]:
    """The running deployments whose code sets it: they have it, and their config does not say so."""
    given = {
        one.get("name") for one in (told.get("deployed_app_config") or {}).get("deployments") or () if OPTION in one
    }
    return [
        name
        for name, deployment in (told.get("deployments") or {}).items()
        if name not in given and (deployment.get("deployment_config") or {}).get(OPTION)
    ]


def read_way(path: Optional[str]) -> Dict[str, Any]:
    """How the applications are to be replaced: `redeploy`, `surge` in per cent, `only` one of them by its name, and
    `changed_only` those of their deployments whose code differs; all absent in a plain start."""
    try:
        with open(path or "", encoding="utf-8") as file:
            found = json.load(file)
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def built_by_vetting(folder: str) -> Dict[str, List[str]]:
    """The deployments of each application as the new code has them; empty where nobody has tried it."""
    names: Dict[str, List[str]] = {}
    try:
        with open(os.path.join(folder, "vet-report.json"), encoding="utf-8") as file:
            for row in json.load(file)["asks"]:
                names.setdefault(row["application"], []).append(row["deployment"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return names

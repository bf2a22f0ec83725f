"""Local code of a Serve config's runtime environments, packed and uploaded as `ray job submit` does.

Ray's REST API takes what every node can fetch: a local folder, or a local zip or wheel file, becomes a package in the
GCS. Runs in Ray's interpreter.
"""

import inspect
import os
import tempfile
from typing import Any, Callable, Dict, List

# What Ray's schema takes in its place while the cluster is not there yet.
PLACEHOLDER = "gcs://_ray_pkg_0.zip"
TLS_FILES = ("ssl_keyfile", "ssl_certfile", "ssl_ca_certs")
IGNORE_GITIGNORE = "RAY_RUNTIME_ENV_IGNORE_GITIGNORE"
INSTEAD = "give the address of a zip file instead, such as file:///path/code.zip or https://..."


class NotPacked(Exception):
    """Local code cannot be uploaded; the message is for the user."""


def is_local(path: Any) -> bool:
    """A path of this machine; Ray fetches what has a scheme."""
    return isinstance(path, str) and "://" not in path


def with_placeholders(config: Dict[str, Any]) -> Dict[str, Any]:
    """The config as Ray will see it, as far as its form goes."""

    def stand_in(environment: Dict[str, Any], _: str) -> Dict[str, Any]:
        return _mapped(environment, lambda path: PLACEHOLDER if is_local(path) else path)

    return _with_environments(config, stand_in)


def missing(config: Dict[str, Any]) -> List[str]:
    """What the config names and is not there: local code, and the files for TLS, which Serve's proxy looks for in its
    own folder, the spec's."""
    found: List[str] = []

    def look(environment: Dict[str, Any], who: str) -> Dict[str, Any]:
        absent = [path for path in _code(environment) if is_local(path) and not os.path.exists(path)]
        found.extend(f"{who}: runtime_env: there is no {path}" for path in absent)
        return environment

    _with_environments(config, look)
    given = config.get("http_options")
    options: Dict[str, Any] = given if isinstance(given, dict) else {}
    for key in TLS_FILES:
        path = options.get(key)
        if isinstance(path, str) and not os.path.exists(path):
            found.append(f"http_options.{key}: there is no {os.path.abspath(path)}")
    return found


def uploaded(config: Dict[str, Any]) -> Dict[str, Any]:
    """The config with the addresses of uploaded packages; `ray.init` must have been called. Raises NotPacked."""
    return _with_environments(config, _upload)


def _with_environments(
    config: Dict[str, Any], change: Callable[[Dict[str, Any], str], Dict[str, Any]]
) -> Dict[str, Any]:
    """The config with every environment that names local code changed; what has another form is left to Ray."""

    def changed(holder: Any, who: str) -> Any:
        environment = holder.get("runtime_env") if isinstance(holder, dict) else None
        if not isinstance(environment, dict) or not any(map(is_local, _code(environment))):
            return holder
        return dict(holder, runtime_env=change(environment, who))

    def deployment(entry: Any, who: str) -> Any:
        if not isinstance(entry, dict) or "ray_actor_options" not in entry:
            return entry
        options = changed(entry["ray_actor_options"], f"{who}, deployment {entry.get('name')}")
        return dict(entry, ray_actor_options=options)

    def application(entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        who = f"application {entry.get('name', 'default')}"
        entry = changed(entry, who)
        if isinstance(entry.get("deployments"), list):
            entry = dict(entry, deployments=[deployment(one, who) for one in entry["deployments"]])
        return entry

    entries = config.get("applications")
    return dict(config, applications=[application(one) for one in entries]) if isinstance(entries, list) else config


def _code(environment: Dict[str, Any]) -> List[Any]:
    modules = environment.get("py_modules")
    return [environment.get("working_dir")] + (modules if isinstance(modules, list) else [])


def _mapped(environment: Dict[str, Any], place: Callable[[Any], Any]) -> Dict[str, Any]:
    made = dict(environment)
    if "working_dir" in made:
        made["working_dir"] = place(made["working_dir"])
    if isinstance(made.get("py_modules"), list):
        made["py_modules"] = [place(path) for path in made["py_modules"]]
    return made


def _upload(environment: Dict[str, Any], who: str) -> Dict[str, Any]:
    """Ray's own functions do it, which are not public: where they are not as known, the user is told what works."""
    try:
        from ray._private.runtime_env.py_modules import upload_py_modules_if_needed
        from ray._private.runtime_env.working_dir import upload_working_dir_if_needed
    except ImportError:
        raise NotPacked(f"{who}: this Ray does not pack local folders; {INSTEAD}") from None
    made = dict(environment)
    for upload in (upload_working_dir_if_needed, upload_py_modules_if_needed):
        try:
            with tempfile.TemporaryDirectory() as scratch:
                made = upload(made, **_accepted(upload, scratch))
        except TypeError:
            raise NotPacked(f"{who}: this Ray packs local folders in another way; {INSTEAD}") from None
        except Exception as error:
            raise NotPacked(f"{who}: runtime_env cannot be packed: {error}") from error
    return made


def _accepted(upload: Callable[..., Any], scratch: str) -> Dict[str, Any]:
    """What this Ray's function is to be told; older ones always heed .gitignore."""
    given = {"scratch_dir": scratch, "include_gitignore": os.environ.get(IGNORE_GITIGNORE, "0") != "1"}
    known = inspect.signature(upload).parameters
    return {name: value for name, value in given.items() if name in known}

"""The way from `setup_worker.py` to `default_worker.py` without two more processes.

Ray starts a worker as `python setup_worker.py ... default_worker.py ...`: the first program imports Ray, sets variables
and has a shell start the second one. Where the worker's runtime environment asks for nothing but variables the fork
becomes the second program at once. That is Ray's private business, so it is done only where both files are, byte for
byte, those of a version it was written for; with any other they run as they are.
"""

import hashlib
import json
import os
import re
import shlex
from typing import Any, Collection, Dict, List, Mapping, Optional

# SHA-256 of _private/workers/setup_worker.py and _private/runtime_env/context.py, one after the other.
KNOWN = {
    "a575d936cebc5047a1bedd57f021d68cc62c33e4ebdd6e8ad3b461b569b0418e": "2.60.0",
    "48523d417770d32d370e244bc886d53abe2a0f3aebd019e2c3d296101a507675": "2.20.0",
}
SETUP = "/_private/workers/setup_worker.py"
CONTEXT = "/_private/runtime_env/context.py"
CONTEXT_FLAG = "--serialized-runtime-env-context="
LANGUAGE_FLAG = "--language="
# What a context may say besides variables and the interpreter: nothing that changes how the worker is started.
PLAIN: Dict[str, Any] = {"command_prefix": [], "override_worker_entrypoint": None, "java_jars": [], "container": {}}
WITHOUT_EFFECT = ("resources_dir",)
_known: Dict[str, bool] = {}


def apply(request: Dict[str, Any], real: str) -> None:
    """Change the request where it is for a worker: had at once, or at least forked; `real` is the interpreter."""
    program = request["program"]
    if program["kind"] != "script" or not program["what"].endswith(SETUP):
        return
    launcher = request["executable"]
    found = worker_of(program["argv"][1:], (launcher, real)) if _is_known(program["what"]) else None
    if found is None:
        program["argv"] = [with_interpreter(word, launcher, real) for word in program["argv"]]
        return
    program["argv"] = found["argv"]
    program["what"] = found["argv"][0]
    request["env"] = with_variables(request["env"], found["env_vars"])


def worker_of(arguments: List[str], pythons: Collection[str]) -> Optional[Dict[str, Any]]:
    """The second program's `argv` and its `env_vars`; None where the context asks for more."""
    context: Dict[str, Any] = {}
    language = ""
    rest = []
    for argument in arguments:
        if argument.startswith(CONTEXT_FLAG):
            context = json.loads(argument[len(CONTEXT_FLAG) :])
        elif argument.startswith(LANGUAGE_FLAG):
            language = argument[len(LANGUAGE_FLAG) :]
        else:
            rest.append(argument)
    env_vars = context.pop("env_vars", None) or {}
    python = context.pop("py_executable", None)
    for name in WITHOUT_EFFECT:
        context.pop(name, None)
    special = any(name not in PLAIN or value not in (PLAIN[name], None) for name, value in context.items())
    if special or (python and python not in pythons) or language != "PYTHON":
        return None
    if not rest or not rest[0].endswith(".py"):
        return None
    return {"argv": rest, "env_vars": env_vars}


def with_interpreter(argument: str, launcher: str, real: str) -> str:
    """The argument with what the worker needs for its interpreter.

    Ray's agent, a fork, names the real one: a worker without an interpreter of its own comes from the template.
    """
    if not argument.startswith(CONTEXT_FLAG):
        return argument
    try:
        context = json.loads(argument[len(CONTEXT_FLAG) :])
        python = context.get("py_executable") or real
    except (ValueError, AttributeError):
        return argument  # Ray will say it
    if python != real:
        return argument
    return CONTEXT_FLAG + json.dumps({**context, "py_executable": shlex.quote(launcher)})  # a shell reads it


def with_variables(env: Mapping[bytes, bytes], variables: Mapping[str, str]) -> Dict[bytes, bytes]:
    """The environment with these set one after the other, as Ray's `update_envs` does it."""
    made = dict(env)
    for name, value in variables.items():
        made[os.fsencode(name)] = os.fsencode(expanded(value, made))
    return made


def expanded(value: str, env: Mapping[bytes, bytes]) -> str:
    """With `$NAME` and `${NAME}` replaced; `${NAME}` of a variable that is not set leaves nothing."""

    def known(found: "re.Match[str]") -> str:
        name = found.group(1)
        if name.startswith("{"):
            name = name[1:-1]
        there = env.get(os.fsencode(name))
        return found.group(0) if there is None else os.fsdecode(there)

    return re.sub(r"\$\{[A-Z0-9_]+\}", "", re.sub(r"\$(\w+|\{[^}]*\})", known, value, flags=re.ASCII))


def _is_known(setup: str) -> bool:
    if setup not in _known:
        _known[setup] = digest(setup) in KNOWN
    return _known[setup]


def digest(setup: str) -> str:
    """Of the program at `setup` and the module beside it that it is made of."""
    made = hashlib.sha256()
    for path in (setup, setup[: -len(SETUP)] + CONTEXT):
        try:
            with open(path, "rb") as file:
                made.update(file.read())
        except OSError:
            return ""
    return made.hexdigest()

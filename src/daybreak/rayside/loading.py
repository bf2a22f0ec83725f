"""Import and build Serve applications as `serve run` does, and say what is wrong with one in its author's own lines."""

import importlib
import os
import sys
import traceback
from typing import Any, Callable, Dict, List, Tuple

MOST_LINES = 20
MOST_NAMES = 5
# Frames of these tell nothing about an application: this package's own, the import machinery's, Ray's.
OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Refused(Exception):
    """What was asked for cannot run. `reason` is one line for people, `lines` say more: the user's frames."""

    def __init__(self, reason: str, lines: Tuple[str, ...] = ()) -> None:
        super().__init__("\n".join((reason, *lines)))
        self.reason = reason
        self.lines = list(lines)[-MOST_LINES:]


def load(entry: Dict[str, Any]) -> Any:
    """Import `module:attribute`, or `module.attribute`; a builder function is called with its arguments.

    Raises Refused. The entry is `import` and `args`, which the reasons call by these names.
    """
    from ray import serve

    path = entry["import"]
    found = _attribute(path)
    if isinstance(found, serve.Application):
        if entry["args"]:
            raise Refused(f"{path} is a built application: args can only go to a builder function")
        return found
    if isinstance(found, serve.Deployment):
        name = path.replace(":", ".").rpartition(".")[2]
        raise Refused(
            f"{path} is a deployment, not an application: write `main = {name}.bind()` below it, and name that instead"
        )
    if isinstance(found, type) or not callable(found):
        raise Refused(f"{path} is neither an application (X.bind()) nor a function that returns one")
    try:
        built = found(_builder_argument(path, found, entry["args"]))
    except Refused:
        raise
    except (Exception, SystemExit) as error:
        raise refusal(f"{path} fails as it builds the application", error) from error
    if not isinstance(built, serve.Application):
        raise Refused(f"{path} returned {type(built).__name__}, not an application (X.bind())")
    return built


def check_config(config: Dict[str, Any], file: str) -> Any:
    """A Serve config by Ray's own schema. Raises Refused."""
    from ray.serve.schema import ServeDeploySchema

    validate = getattr(ServeDeploySchema, "model_validate", None) or ServeDeploySchema.parse_obj
    try:
        return validate(config)
    except ValueError as error:
        raise Refused(f"{file} is no config that Ray takes: {wrong_values(error)}") from error


def _attribute(path: str) -> Any:
    """What an import path names."""
    module_name, colon, attribute = path.partition(":")
    if not colon:
        module_name, _, attribute = path.rpartition(".")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise refusal(f"{path} cannot be imported", error) from error
        raise Refused(f"{path} cannot be imported: there is no module {error.name} in {os.getcwd()}") from error
    except (Exception, SystemExit) as error:
        raise refusal(f"{path} cannot be imported", error) from error
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            where = getattr(found, "__file__", None) or module_name
            raise Refused(f"{path} cannot be imported: {where} has no {part!r}{_instead(found)}") from None
    return found


def _instead(module: Any) -> str:
    """The applications that a module does have."""
    from ray import serve

    names = [name for name, value in vars(module).items() if isinstance(value, serve.Application)][:MOST_NAMES]
    return f"; its applications: {', '.join(names)}" if names else ""


def _builder_argument(path: str, builder: Callable[..., Any], args: Dict[str, Any]) -> Any:
    """The dict itself, or the pydantic model that the builder's one parameter is annotated with."""
    import inspect
    import typing

    parameters = list(inspect.signature(builder).parameters.values())
    if len(parameters) != 1:
        raise Refused(f"the builder {path} must take exactly one parameter, the arguments")
    annotation = parameters[0].annotation
    if isinstance(annotation, str):
        try:
            annotation = typing.get_type_hints(builder)[parameters[0].name]
        except Exception:
            return args  # names that only a type checker sees
    validate = getattr(annotation, "model_validate", None) or getattr(annotation, "parse_obj", None)
    if not isinstance(annotation, type) or validate is None:
        return args
    try:
        return validate(args)
    except ValueError as error:
        raise Refused(f"the args of {path} do not fit {annotation.__name__}: {wrong_values(error)}") from error


def wrong_values(error: ValueError) -> str:
    """What pydantic found: each place with its fault, in one line."""
    list_errors = getattr(error, "errors", None)
    if not callable(list_errors):
        return str(error)
    rows = []
    for row in list_errors():
        place = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in row.get("loc", ()) if part != "__root__"
        )
        text = str(row.get("msg", "")).replace("Value error, ", "")
        rows.append(f"{place.lstrip('.')}: {text}" if place else text)
    return "; ".join(rows)


def refusal(what: str, error: BaseException) -> Refused:
    """The Refused that a program's error means: the error with its place first, then the user's own frames."""
    if isinstance(error, SystemExit):
        told = f"it calls sys.exit({'' if error.code is None else repr(error.code)})"
    else:
        first = (str(error).strip().splitlines() or [""])[0]
        told = f"{type(error).__name__}: {first}" if first else type(error).__name__
    frames = users_frames(traceback.extract_tb(error.__traceback__))
    if frames and not isinstance(error, SyntaxError):
        told += f" ({frames[-1].filename}, line {frames[-1].lineno})"
    return Refused(f"{what}: {told}", tuple(folded(error)))


def folded(error: BaseException) -> List[str]:
    """The error's traceback and those of its causes, without frames that are nobody's business but ours and Ray's."""
    told = traceback.TracebackException.from_exception(error)
    each: Any = told
    while each is not None:
        each.stack = traceback.StackSummary.from_list(users_frames(each.stack))
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return [line for part in told.format() for line in part.rstrip("\n").splitlines()]


def users_frames(stack: Any) -> List[Any]:
    """The frames of a stack that are in somebody's own files."""
    return [frame for frame in stack if _is_users(frame.filename)]


def _is_users(file: str) -> bool:
    ray = sys.modules.get("ray")
    folders = [OURS, os.path.dirname(importlib.__file__), os.path.dirname(getattr(ray, "__file__", None) or "") or OURS]
    return not file.startswith("<") and not any(file.startswith(folder + os.sep) for folder in folders)

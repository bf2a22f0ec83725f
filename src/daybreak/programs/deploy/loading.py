"""Import and build Serve applications as `serve run` does, and say what is wrong with one in its author's own lines."""

import importlib
import os
import sys
import traceback
from typing import Any, Callable, Dict, Sequence, Tuple

from . import frames, packing

MOST_NAMES = 5


class Refused(Exception):
    """What was asked for cannot run. `reason` is one line for people, `lines` say more: the user's frames."""

    def __init__(self, reason: str, lines: Tuple[str, ...] = ()) -> None:
        super().__init__("\n".join((reason, *lines)))
        self.reason = reason
        self.lines = list(lines)


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
    """A Serve config by Ray's own schema, and whether the files that it names are there. Raises Refused.

    Local code counts as what it will be when it has been uploaded.
    """
    from ray.serve.schema import ServeDeploySchema

    missing = packing.missing(config)
    if missing:
        raise Refused(f"{file}: {missing[0]}", tuple(missing[1:]))
    validate = getattr(ServeDeploySchema, "model_validate", None) or ServeDeploySchema.parse_obj
    try:
        return validate(packing.with_placeholders(config))
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
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    told = frames.explain(text, os.getcwd())
    if isinstance(error, SystemExit):
        reason = f"it calls sys.exit({'' if error.code is None else repr(error.code)})"
    else:
        reason = told.reason if told else f"{type(error).__name__}: {error}".strip()
    lines = told.lines if told else []
    # How this program came to the application's first line is no news.
    return Refused(f"{what}: {reason}", tuple(lines[1:] if lines and lines[0].startswith("…") else lines))


def find_the_applications() -> None:
    """From now on modules are looked for where the application is, first of all."""
    sys.path.insert(0, os.getcwd())


def users_line() -> str:
    """Where the application's own code is now, for the beginning of a message."""
    place = place_of(traceback.extract_stack())
    return f"{place}: " if place else ""


def place_of(stack: Sequence[traceback.FrameSummary]) -> str:
    """The innermost line of a stack that is the application's own; empty where none is."""
    own = [frame for frame in stack if not frames.owner(frame.filename, os.getcwd())]
    return f"{frames.shown(own[-1].filename, os.getcwd())}:{own[-1].lineno}" if own else ""

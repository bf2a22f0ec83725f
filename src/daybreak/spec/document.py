"""YAML text as plain values, with the line of every key. No pydantic: finding a cluster's name must be cheap."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from daybreak.errors import Problem, SpecError
from daybreak.spec.asker import asker
from daybreak.spec.interpolation import Filled, Lookup, Unfilled, fill

# Where a value is: keys and list positions from the top.
KeyPath = tuple[str | int, ...]

# More values than any spec has; aliases of aliases could otherwise grow without end.
MOST_VALUES = 100_000
# Collections within collections: the parser, in C, goes down without a look at its stack, and would end the process.
MOST_DEPTH = 10_000

_START = "`daybreak init` writes one to start from"
_TAG = "tag:yaml.org,2002:"
_COLLECTIONS = (f"{_TAG}map", f"{_TAG}seq")


def dotted(path: Sequence[str | int]) -> str:
    """The path as people write it: `serve.applications[0].import`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


@dataclass(frozen=True)
class Document:
    """A YAML mapping: its values, and what is wrong with it before anybody knows what it is for.

    `label` is the file's name for people. `empty` holds the keys written without any value (`workers:`), `filled` what
    was written with variables.
    """

    label: str
    root: yaml.MappingNode
    data: dict[str, Any]
    empty: tuple[KeyPath, ...] = ()
    problems: tuple[Problem, ...] = ()
    filled: Mapping[KeyPath, Filled] = field(default_factory=dict)

    def has(self, path: KeyPath) -> bool:
        """Whether something is written at `path`."""
        return _follow(self.root, path)[2]

    def text(self, path: KeyPath) -> str | None:
        """The scalar at `path` as it was written, without quotes and with its variables' values; None for anything
        else."""
        if path in self.filled:
            return self.filled[path].text
        _, node, found = _follow(self.root, path)
        return node.value if found and isinstance(node, yaml.ScalarNode) else None

    def line(self, path: KeyPath, *, of_key: bool = False) -> int:
        """The 1-based line of a value, of its key, or of the nearest parent where nothing is written at `path`.

        The line of a mapping or list is its key's, since its first value stands one line below.
        """
        key_line, node, found = _follow(self.root, path)
        written = isinstance(node, yaml.ScalarNode) and node.value != ""
        return node.start_mark.line + 1 if found and written and not of_key else key_line


def read_text(file: Path) -> str:
    """The file's text. Raises SpecError where it is missing, unreadable or not UTF-8."""
    label = label_of(file)
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise SpecError([Problem("no such file", file=label)], hint=_START) from None
    except OSError as error:
        raise SpecError([Problem(f"cannot be read: {error.strerror or error}", file=label)]) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SpecError([Problem("is not UTF-8 text", file=label, line=line, hint="save it as UTF-8")]) from error


def parse_document(text: str, label: str, lookup: Lookup | None = None) -> Document:
    """YAML text as a Document, with the variables that `lookup` knows; without it there are none.

    Raises SpecError where it is no YAML, empty, or not a mapping.
    """
    loader = _loader(text)
    try:
        if _is_deep(text):
            raise RecursionError
        root = loader.get_single_node()
        if root is None:
            raise SpecError([Problem("is empty", file=label)], hint=_START)
        if not isinstance(root, yaml.MappingNode):
            message = "must be a mapping of keys to values, such as `name: my-cluster`"
            raise SpecError([Problem(message, file=label, line=root.start_mark.line + 1)])
        walk = _Walk(loader, label, lookup)
        data = walk.value(root, ())
    except yaml.YAMLError as error:
        raise SpecError([_syntax_problem(error, text, label)]) from error
    except RecursionError:
        raise SpecError([Problem("is nested too deeply, or refers to itself", file=label)]) from None
    return Document(label, root, data, tuple(walk.empty), tuple(walk.problems), walk.filled)


def _is_deep(text: str) -> bool:
    """Would the parser go down further than it may? Looked at event by event, which needs no stack, where brackets and
    the indentation allow for it."""
    most = text.count("[") + text.count("{") + 2 * max(map(len, text.splitlines()), default=0)
    depth = 0
    for event in yaml.parse(text, type(_loader(""))) if most > MOST_DEPTH else ():
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            return True
    return False


def label_of(file: Path) -> str:
    """The file's name for people: relative where it lies below the current folder."""
    path = os.path.abspath(file)
    relative = os.path.relpath(path, asker().folder)
    return str(file) if relative.startswith(os.pardir) else relative


def _loader(text: str) -> Any:
    """PyYAML's safe loader, in C where it was built in. Dates stay text: JSON, in which a spec travels, has none."""
    base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != f"{_TAG}timestamp"]
        for first, known in base.yaml_implicit_resolvers.items()
    }
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})(text)


@dataclass
class _Walk:
    """Builds plain values from YAML nodes and notes what is wrong on the way."""

    loader: Any
    label: str
    lookup: Lookup | None = None
    problems: list[Problem] = field(default_factory=list)
    filled: dict[KeyPath, Filled] = field(default_factory=dict)
    empty: list[KeyPath] = field(default_factory=list)
    _around: list[int] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _count: int = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._count += 1
        if self._count > MOST_VALUES:
            raise SpecError([Problem(f"holds more than {MOST_VALUES} values", file=self.label)])
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._around:
            return self._wrong("refers to itself", node, path)
        if node.tag not in _COLLECTIONS:
            return self._wrong(f"the tag {_short(node.tag)} is not understood", node, path)
        self._around.append(id(node))
        built = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        self._around.pop()
        return built

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        if node.tag == f"{_TAG}null" and node.value == "":
            self.empty.append(path)
        if self.lookup and "$" in node.value:
            try:
                node = self._filled(node, path, self.lookup)
            except Unfilled as error:
                return self._wrong(error.message, node, path, error.hint)
        try:
            return self.loader.construct_object(node)
        except yaml.constructor.ConstructorError:
            return self._wrong(f"the tag {_short(node.tag)} is not understood", node, path)
        except ValueError:
            return self._wrong(f"'{node.value}' does not fit its tag {_short(node.tag)}", node, path)

    def _filled(self, node: yaml.ScalarNode, path: KeyPath, lookup: Lookup) -> yaml.ScalarNode:
        """The scalar with its variables' values, typed again where it was written without quotes."""
        found = fill(node.value, lookup)
        if found.text == node.value and not found.names:
            return node
        plain = not node.style and node.tag == self.loader.resolve(yaml.ScalarNode, node.value, (True, False))
        self.filled[path] = replace(found, plain=plain)
        tag = self.loader.resolve(yaml.ScalarNode, found.text, (True, False)) if plain else node.tag
        return yaml.ScalarNode(tag, found.text, node.start_mark, node.end_mark, node.style)

    def _list(self, node: yaml.Node, path: KeyPath) -> list[Any]:
        return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        if id(node) not in self._seen:
            self._seen.add(id(node))
            self._check_keys(node, path)
            # Once only: afterwards the merged (`<<`) keys stand in the node, before its own.
            self.loader.flatten_mapping(node)
        # Keys are text whatever YAML takes them for: `8080:` and `on:` are fine names of labels and variables.
        last = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
        return {key: self.value(value, (*path, key)) for key, value in last.items()}

    def _check_keys(self, node: yaml.MappingNode, path: KeyPath) -> None:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong("a key must be plain text", key, path)
            elif key.tag == f"{_TAG}merge":
                continue
            elif key.value in first:
                self._wrong(f"written twice, first on line {first[key.value]}", key, (*path, key.value))
            else:
                first[key.value] = key.start_mark.line + 1

    def _wrong(self, message: str, node: yaml.Node, path: KeyPath, hint: str | None = None) -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(message, key=dotted(path), file=self.label, line=line, hint=hint))


def _follow(node: yaml.Node, path: KeyPath) -> tuple[int, yaml.Node, bool]:
    """The line of the last key on the path that exists, the node there, and whether that was the whole path."""
    line = node.start_mark.line + 1
    for part in path:
        step = _child(node, part)
        if step is None:
            return line, node, False
        line, node = step
    return line, node, True


def _child(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        # The last one counts, both among duplicates and over merged keys.
        for key, value in reversed(node.value):
            if isinstance(key, yaml.ScalarNode) and key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None


def _short(tag: str | None) -> str:
    return (tag or "").replace(_TAG, "!!")


def _syntax_problem(error: yaml.YAMLError, text: str, label: str) -> Problem:
    """What the parser said, at its line, with a word on the usual cause."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        # Characters that YAML does not allow: the parser's text is long, its first line tells.
        return Problem(f"is not valid YAML: {str(error).splitlines()[0]}", file=label)
    context, start = getattr(error, "context", None), getattr(error, "context_mark", None)
    message = f"is not valid YAML: {getattr(error, 'problem', error)}"
    if context and start is not None and start.line != mark.line:
        message += f" ({context} that begins on line {start.line + 1})"
    lines = text.splitlines()
    written = lines[mark.line] if mark.line < len(lines) else ""
    hint = None
    if "${" in written and "did not find expected" in message:
        hint = "put text with ${...} in quotes where it stands between { and }, or [ and ]"
    elif written[: mark.column + 1].strip(" ").startswith("\t"):
        hint = "indent with spaces, not tabs"
    elif "cannot start any token" in message:
        hint = "put text that begins with @, % or ` in quotes"
    elif "mapping values are not allowed" in message:
        hint = "check the indentation, and put text that holds ': ' in quotes"
    return Problem(message, file=label, line=mark.line + 1, hint=hint)


def touched(path: KeyPath, unsure: Collection[KeyPath]) -> bool:
    """Whether the place itself, or one around it, is unsure."""
    return any(path[: len(place)] == place for place in unsure)

"""What a pickle says, without doing any of it: the same for the same content, whoever has written it, and when.

The bytes are not the same: they say which texts are one object in memory, which differs between a module that was just
compiled and one from a cache; sets come in any order; cloudpickle names each class by a random UUID; and code says
where its file was, which is another folder for a version that is deployed again.
"""

import hashlib
import io
import os
import pickle
import re
import types
from typing import Any, Dict, List, Optional, Set, Tuple

UUID = re.compile(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\Z")
# How a pickle begins and ends.
PICKLE = re.compile(rb"\x80[\x02-\x05].*\.\Z", re.DOTALL)
# What cloudpickle makes a module of: its argument is the module's name.
IMPORTS = "subimport"
# And what it makes the code of a function with.
CODE = "CodeType"
# Of the globals that it makes a function with: where its module is.
PLACES = ("__file__", "__path__")


class Part:
    """Stands in for whatever a pickle would make: remembers what it is made with, and what is put into it then."""

    # Of each kind its own: see `find_class`.
    origin: Tuple[str, str]
    made: "List[Part]"

    def __new__(cls, *given: Any, **named: Any) -> "Part":
        part = super().__new__(cls)
        part.given = [given, named]
        part.number = len(cls.made)
        cls.made.append(part)
        return part

    def __init__(self, *_: Any, **__: Any) -> None:
        self.given: List[Any]
        self.number: int

    def __call__(self, *given: Any, **named: Any) -> "Part":
        return type(self)("called", self, *given, **named)

    def __setstate__(self, state: Any) -> None:
        self.given.append(state)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.given.append((key, value))

    def append(self, value: Any) -> None:
        self.given.append(value)

    def extend(self, values: Any) -> None:
        self.given += values


class Reader(pickle.Unpickler):
    """Reads one pickle. `modules` are those that whoever unpickles it imports, `codes` is what functions in it do."""

    def __init__(self, pickled: bytes) -> None:
        super().__init__(io.BytesIO(pickled))
        self.modules: Set[str] = set()
        self.codes: List[types.CodeType] = []
        self._made: List[Part] = []
        self._kinds: Dict[Tuple[str, str], Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        self.modules.add(module)
        kind = (module, name)
        if kind not in self._kinds:
            self._kinds[kind] = type("Kind", (Part,), {"origin": kind, "made": self._made})
        return self._kinds[kind]

    def digest(self) -> str:
        """Of all that it says. Raises what unpickling raises, and RecursionError."""
        root = self.load()
        for part in self._made:
            if part.origin[1] == IMPORTS:
                self.modules.update(name for name in part.given[0] if isinstance(name, str))
            code = _code_of(part)
            if code is not None:
                self.codes.append(code)
                place = os.path.basename(code.co_filename)
                part.given[0] = tuple(place if one == code.co_filename else one for one in part.given[0])
        told = [f"{part.origin} {self._words(part.given)}" for part in self._made]
        return hashlib.sha256("\n".join([*told, self._words(root)]).encode(errors="replace")).hexdigest()

    def _words(self, value: Any) -> str:
        if isinstance(value, Part):
            return f"#{value.number}"
        if isinstance(value, type) and issubclass(value, Part):
            return f"@{value.origin}"
        if isinstance(value, (list, tuple)):
            return f"{type(value).__name__}({', '.join(map(self._words, value))})"
        if isinstance(value, (set, frozenset)):
            return f"{type(value).__name__}({', '.join(sorted(map(self._words, value)))})"
        if isinstance(value, dict):
            items = ((key, one) for key, one in value.items() if key not in PLACES)
            return f"dict({', '.join(f'{self._words(key)}: {self._words(one)}' for key, one in items)})"
        if isinstance(value, str):
            return "uuid" if UUID.match(value) else repr(value)
        return self._within(value) if isinstance(value, bytes) and PICKLE.match(value) else repr(value)

    def _within(self, value: bytes) -> str:
        """What is pickled within it."""
        reader = Reader(value)
        try:
            found = reader.digest()
        except Exception:  # bytes that only begin and end like a pickle
            return repr(value)
        self.modules |= reader.modules
        self.codes += reader.codes
        return found


def _code_of(part: Part) -> Optional[types.CodeType]:
    """The code that the part would be; None where it would be something else."""
    given = part.given[0]
    if len(given) < 3 or given[0] != "called" or not isinstance(given[1], Part) or given[1].given[0] != (CODE,):
        return None
    return types.CodeType(*given[2:])

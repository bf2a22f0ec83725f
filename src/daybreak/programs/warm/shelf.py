"""Modules that a fork must find as if it had just imported them.

A library of threads takes their number from the environment when it is loaded, and Ray puts that number there right
before a task's own code runs; a library of random numbers is seeded when it is loaded. So these modules, and those that
import them, are not among a fork's modules: they lie on a shelf until the program imports them. Then they are there at
once, and what a process of its own would have done at that moment is done.
"""

import contextlib
import importlib.machinery
import sys
import types
from typing import Any, Callable, Collection, Dict, Iterable, List, Set

# Their values tell nothing of who imports whom.
PLAIN = frozenset((str, int, float, bool, bytes, tuple, list, dict, set, frozenset, type(None), type(Ellipsis)))
NAMED = (type, types.FunctionType, types.BuiltinFunctionType)
STANDARD: Collection[str] = getattr(sys, "stdlib_module_names", sys.builtin_module_names)
# The template's own, under the name that they have there, and what Python calls the program.
NEVER = ("daybreak_programs", "__main__", "__mp_main__")


class Shelf:
    """A finder of imports, first in line.

    Packages are the unit: a module belongs to the shortest part of its name that is one, namespaces aside.
    """

    def __init__(self) -> None:
        self.modules: Dict[str, Any] = {}
        self._seen: Set[str] = set()
        self._units: Dict[str, str] = {}
        self._imports: Dict[str, Set[str]] = {}
        self._effects: Dict[str, List[Callable[[], Any]]] = {}
        self._armed = False
        # Is everything on the shelf that belongs there?
        self.complete = True

    def open(self) -> None:
        """The template is importing: what it needs goes back among its modules."""
        self.complete = False

    def when_imported(self, unit: str, effect: Callable[[], Any]) -> None:
        """Do this in a fork when it imports something of this package, or something that imports it. One without a
        name is imported by all."""
        self._effects.setdefault(unit, []).append(effect)

    def unit(self, name: str) -> str:
        """The package that a module belongs to."""
        known = self._units.get(name)
        if known is None:
            known = self._units[name] = self._unit(name)
        return known

    def _unit(self, name: str) -> str:
        parts = name.split(".")
        for count in range(1, len(parts)):
            part = ".".join(parts[:count])
            module = self.modules.get(part) or sys.modules.get(part)
            if not _is_namespace(module):
                return part
        return name

    def put(self) -> None:
        """Take from the modules what has effects, and what imports that."""
        self._look_at_imports()
        wanted = self._that_import(self._effects)
        for name in [name for name in sys.modules if self.unit(name) in wanted and not _is_own(name)]:
            self.modules[name] = sys.modules.pop(name)
        self.complete = True

    def _look_at_imports(self) -> None:
        """Who imports whom: a module that has another one's functions or classes has imported it, at some remove."""
        for name, module in list(sys.modules.items()):
            if name in self._seen or not isinstance(module, types.ModuleType):
                continue
            self._seen.add(name)
            if name.partition(".")[0] in STANDARD or _is_own(name) or _is_namespace(module):
                continue
            imports = self._imports.setdefault(self.unit(name), set())
            for other in {_origin(value) for value in list(module.__dict__.values()) if type(value) not in PLAIN}:
                if isinstance(other, str) and other.partition(".")[0] not in STANDARD:
                    imports.add(self.unit(other))

    def _that_import(self, units: Iterable[str]) -> Set[str]:
        found = set(units)
        while True:
            more = {
                unit for unit, imports in self._imports.items() if unit not in found and not found.isdisjoint(imports)
            }
            if not more:
                return found
            found |= more

    def arm(self) -> None:
        """In a fork, after everything else that looks for modules."""
        self._armed = True
        self._take_effect("")
        self.stand_first()

    def stand_first(self) -> None:
        """Before other finders, which would import anew."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        sys.meta_path.insert(0, self)

    # --- importing ----------------------------------------------------------------------------------------------------

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> Any:
        module = self.modules.get(name)
        if module is None:
            return None
        spec = getattr(module, "__spec__", None)
        loader: Any = _Taker(self, getattr(spec, "loader", None))
        found = importlib.machinery.ModuleSpec(name, loader)
        if spec is not None:
            found.origin, found.cached = spec.origin, spec.cached
            found.submodule_search_locations = spec.submodule_search_locations
            found.has_location = spec.has_location
        return found

    def take(self, name: str) -> None:
        """Put this package, and all that it imports, among the modules."""
        units = self._imported_by(self.unit(name))
        if self._armed:
            for unit in units:
                self._take_effect(unit)
        for other in [other for other in self.modules if self.unit(other) in units]:
            sys.modules[other] = self.modules.pop(other)

    def _take_effect(self, unit: str) -> None:
        for effect in self._effects.pop(unit, ()):
            with contextlib.suppress(Exception):
                effect()

    def _imported_by(self, unit: str) -> Set[str]:
        found, left = set(), [unit]
        while left:
            one = left.pop()
            if one not in found:
                found.add(one)
                left += self._imports.get(one, ())
        return found


class _Taker:
    """Loads what is there already. All else is the business of the loader that loaded it."""

    def __init__(self, shelf: Shelf, real: Any) -> None:
        self._shelf = shelf
        self._real = real

    def create_module(self, _spec: Any) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        """The import takes what is under this name afterwards."""
        self._shelf.take(module.__name__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _is_own(name: str) -> bool:
    return name.partition(".")[0] in NEVER


def _is_namespace(module: Any) -> bool:
    return hasattr(module, "__path__") and getattr(module, "__file__", None) is None


def _origin(value: Any) -> Any:
    """The name of the module that it is, or that it comes from."""
    if isinstance(value, types.ModuleType):
        return value.__dict__.get("__name__")
    return getattr(value if isinstance(value, NAMED) else type(value), "__module__", None)

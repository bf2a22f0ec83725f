"""Which of an application's own files code is made of: what it imports, and what that imports, without running it.

An import within a function counts as one at the top. What imports by a name that only a run knows may import anything.
"""

import ast
import dis
import os
from types import CodeType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple

# Who calls one of these may load a module whose name stands nowhere. Methods have many names, `eval` among them.
DYNAMIC_METHODS = ("import_module", "run_module", "run_path", "spec_from_file_location")
DYNAMIC = (*DYNAMIC_METHODS, "__import__", "exec", "eval")
# In bytecode: constants, of which the last two before an import say from where and which names, and other names.
CONSTANTS = ("LOAD_CONST", "LOAD_SMALL_INT")
NAMES, ATTRIBUTES = ("LOAD_GLOBAL", "LOAD_NAME"), ("LOAD_ATTR", "LOAD_METHOD")
IMPORT = dis.opmap["IMPORT_NAME"]


class OwnFiles:
    """The Python files below a folder that modules are imported from, which is in `sys.path`. `imported` are files of
    modules by their names, which may be elsewhere, and so are those beside them in their packages."""

    def __init__(self, folder: str, imported: Optional[Mapping[str, str]] = None) -> None:
        self._folder = folder
        self.imported = imported or {}
        self._names = {file: name for name, file in self.imported.items()}
        self._imports: Dict[str, Tuple[Set[str], bool]] = {}

    def file_of(self, module: str) -> str:
        """The file of a module of that name; empty where it is none of these."""
        if not module.replace(".", "_").isidentifier():
            return ""
        if module in self.imported:
            return self.imported[module]
        package, _, name = module.rpartition(".")
        places = [os.path.join(self._folder, *module.split("."))]
        if self.imported.get(package, "").endswith("__init__.py"):
            places.append(os.path.join(os.path.dirname(self.imported[package]), name))
        paths = (path for place in places for path in (f"{place}.py", os.path.join(place, "__init__.py")))
        return next(filter(os.path.isfile, paths), "")

    def module_of(self, file: str) -> str:
        """The name of the module that is made of this file of theirs; empty for another one."""
        path = self._names.get(file) or os.path.relpath(file, self._folder)
        name = path[: -len(".py")].replace(os.sep, ".") if path.endswith(".py") else path
        name = name[: -len(".__init__")] if name.endswith(".__init__") else name
        return name if self.file_of(name) == file else ""

    def behind(self, modules: Iterable[str], everything: Callable[[], Iterable[str]]) -> Set[str]:
        """All files that code of these modules may run; with `everything` where one of them imports by name."""
        found: Set[str] = set()
        left = [name for module in modules for name in _with_packages(module)]
        while left:
            module = left.pop()
            file = self.file_of(module)
            if not file or file in found:
                continue
            found.add(file)
            imported, dynamic = self._read(module, file)
            if dynamic:
                return found.union(everything())
            left += imported
        return found

    def imported_by(self, code: CodeType) -> Tuple[Set[str], bool]:
        """The modules that a function names in its imports, and whether it may import others."""
        if IMPORT not in code.co_code[::2] and not set(DYNAMIC).intersection(code.co_names):
            return set(), False  # nearly all of them: to read one takes longer
        module = self.module_of(code.co_filename)
        package = module if code.co_filename.endswith("__init__.py") else module.rpartition(".")[0]
        found: Set[str] = set()
        dynamic = False
        before: List[Any] = []
        for one in dis.get_instructions(code):
            if one.opname in CONSTANTS:
                before = [*before[-1:], one.argval]
            elif one.opname == "IMPORT_NAME":
                level, names = before
                base = _base(one.argval, level, package)
                found.update(_with_packages(base), (f"{base}.{name}" if base else name for name in names or ()))
            elif one.opname in NAMES:
                dynamic = dynamic or one.argval in DYNAMIC
            elif one.opname in ATTRIBUTES:
                dynamic = dynamic or one.argval in DYNAMIC_METHODS
        return found, dynamic

    def _read(self, module: str, file: str) -> Tuple[Set[str], bool]:
        """The modules that a file names in its imports, and whether there may be others."""
        if file not in self._imports:
            is_package = os.path.basename(file) == "__init__.py"
            package = module if is_package else module.rpartition(".")[0]
            try:
                with open(file, "rb") as source:
                    tree = ast.parse(source.read())
                self._imports[file] = (set(_named(tree, package)), any(map(_is_dynamic, ast.walk(tree))))
            except (OSError, SyntaxError, ValueError):
                self._imports[file] = (set(), True)
        return self._imports[file]


def _named(tree: ast.AST, package: str) -> Iterator[str]:
    """What may be modules: `from a import b` names `a`, and `a.b` if that is one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_packages(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node.module or "", node.level, package)
            yield from _with_packages(base)
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _base(module: str, level: int, package: str) -> str:
    """The module that is imported from, with its whole name; `level` is the number of dots."""
    if not level:
        return module
    above = package.split(".")[: len(package.split(".")) - level + 1] if package else []
    return ".".join([*above, *([module] if module else [])])


def _with_packages(module: str) -> List[str]:
    """`a.b.c` runs the code of `a` and of `a.b`, too."""
    parts = module.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))] if module else []


def _is_dynamic(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        return node.func.attr in DYNAMIC_METHODS
    return isinstance(node.func, ast.Name) and node.func.id in DYNAMIC

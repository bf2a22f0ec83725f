"""Which of an application's own files a module is made of: what it imports, and what that imports, by the source alone.

An import within a function counts as one at the top. What imports by a name that only a run knows may import anything.
"""

import ast
import os
from typing import Dict, Iterator, List, Mapping, Optional, Set, Tuple

# Who calls one of these may load a module whose name stands nowhere. Methods have many names, `eval` among them.
DYNAMIC_METHODS = ("import_module", "run_module", "run_path", "spec_from_file_location")
DYNAMIC = (*DYNAMIC_METHODS, "__import__", "exec", "eval")


class OwnFiles:
    """The Python files below a folder that modules are imported from, which is in `sys.path`, and `others`, by module,
    that are elsewhere."""

    def __init__(self, folder: str, others: Optional[Mapping[str, str]] = None) -> None:
        self._folder = folder
        self._others = others or {}
        self._imports: Dict[str, Tuple[Set[str], bool]] = {}

    def file_of(self, module: str) -> str:
        """The file of a module of that name; empty where it is none of these."""
        if not module.replace(".", "_").isidentifier():
            return ""
        place = os.path.join(self._folder, *module.split("."))
        found = (path for path in (f"{place}.py", os.path.join(place, "__init__.py")) if os.path.isfile(path))
        return next(found, "") or self._others.get(module, "")

    def behind(self, modules: Set[str], everything: Set[str]) -> Set[str]:
        """All files that code of these modules may run; `everything` where one of them imports by name."""
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
                return found | everything
            left += imported
        return found

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
            base = _base(node, package)
            yield from _with_packages(base)
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _base(node: ast.ImportFrom, package: str) -> str:
    """The module that is imported from, with its whole name."""
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1] if package else []
    return ".".join([*above, *([node.module] if node.module else [])])


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

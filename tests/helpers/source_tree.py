"""What the structural tests look at: the project's files and what each module imports, from its syntax tree."""
import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "gmosn"
CIMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+cimport|cimport\s+([\w.]+))", re.MULTILINE)


def modules(folder=PACKAGE):
    """Every .py below a folder, sorted."""
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def dotted(path):
    """gmosn/io/wheel.py (or .pxd) -> "gmosn.io.wheel"; a package's __init__ is the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path):
    return ast.parse(path.read_text(), str(path))


@cache
def imports(path):
    """Dotted names that a .py imports anywhere in it (functions too), plus what the .pxd beside it cimports.

    `from gmosn.io import wheel` counts as "gmosn.io" and "gmosn.io.wheel".
    """
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
            if node.args and isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
    pxd = path.with_suffix(".pxd")
    if pxd.exists():
        found.update(first or second for first, second in CIMPORT.findall(pxd.read_text()))
    return frozenset(found)


def functions(path):
    """(dotted name inside the module, node) of every function and method."""
    def walk(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield prefix + child.name, child
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)
    return list(walk(tree(path), ""))

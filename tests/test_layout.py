"""Files are where one looks for them and small enough to read."""
import re

import pytest

from tests.helpers.source_tree import PACKAGE, ROOT, dotted, functions, imports, modules, tree

FILE_CAP, FUNCTION_CAP = 600, 60                        # lines
MEDIAN_CAP, LARGE_CAP = 200, 400                        # half of the files below, nearly all below
TESTS = ROOT / "tests"
HOT = re.compile(r"^# hot: \w+$")
VAGUE_NAMES = {"util", "utils", "common", "misc", "helpers", "manager", "base"}
STDLIB_HAZARDS = {"types", "http", "ssl", "select", "signal", "logging", "socket", "queue"}
SLEEPS = re.compile(r"\b(?:time|gevent|asyncio)\.sleep\(|\bfrom (?:time|gevent) import [^\n]*\bsleep\b")


def source_id(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", modules(), ids=source_id)
def test_file_and_functions_are_small(path):
    lines = path.read_text().count("\n")
    assert lines <= FILE_CAP, f"{lines} lines; split it"
    long = [f"{name}: {node.end_lineno - node.lineno + 1} lines" for name, node in functions(path)
            if node.end_lineno - node.lineno + 1 > FUNCTION_CAP]
    assert long == []


def test_most_files_are_well_below_the_cap():
    sizes = sorted(path.read_text().count("\n") for path in modules() if path.name != "__init__.py")
    assert sizes[len(sizes) // 2] <= MEDIAN_CAP
    assert sizes[int(len(sizes) * 0.9)] <= LARGE_CAP


@pytest.mark.parametrize("path", modules(), ids=source_id)
def test_hot_modules_say_so_and_others_do_not(path):
    """A module is compiled because a benchmark says so: its first line names the benchmark."""
    first = path.read_text().partition("\n")[0]
    assert bool(HOT.match(first)) == path.with_suffix(".pxd").exists(), first


def test_every_pxd_belongs_to_a_module():
    """But those that declare other people's C API: their name starts with an underscore."""
    alone = [source_id(pxd) for pxd in PACKAGE.rglob("*.pxd")
             if not pxd.with_suffix(".py").exists() and not pxd.stem.startswith("_")]
    assert alone == []


def test_every_module_is_used():
    """By another module, by the table of extensions, or as a program."""
    from gmosn.extensions import TABLE
    used = {name for path in modules() for name in imports(path)} | {target.partition(":")[0] for target in TABLE.values()}
    unused = [dotted(path) for path in modules() if dotted(path) not in used and path.stem not in (
        "__init__", "__main__", "demo") and dotted(path) != "gmosn.filter.testing"]      # the latter: for users' tests
    assert unused == []


def test_no_vague_names():
    found = [source_id(path) for path in modules() if path.stem in VAGUE_NAMES]
    assert found == [], "name the thing, not the drawer"


def test_no_top_level_module_shadows_the_standard_library():
    found = [path.name for path in PACKAGE.iterdir() if path.stem in STDLIB_HAZARDS]
    assert found == [], "a script run from inside gmosn/ would import it instead of the standard library's"


def test_unit_tests_mirror_the_package():
    """tests/unit/io/test_wheel.py tests gmosn/io/wheel.py; several files may share one: test_wheel_timing.py."""
    wrong = []
    for path in sorted((TESTS / "unit").rglob("test_*.py")):
        folder = path.parent.relative_to(TESTS / "unit")
        home = ROOT / folder if folder.parts[:1] == ("build_support",) else PACKAGE / folder
        stem = path.stem.removeprefix("test_")
        names = {module.stem.strip("_") for module in home.glob("*.py")} | {
            module.name for module in home.iterdir() if module.is_dir()} if home.is_dir() else set()
        if not any(stem == name or stem.startswith(name + "_") for name in names if name):
            wrong.append(source_id(path))
    assert wrong == []


def test_no_unit_test_starts_processes():
    """Unit tests test a module; what needs a running proxy goes to tests/integration."""
    wrong = [source_id(path) for path in (TESTS / "unit").rglob("test_*.py") if "tests.helpers.proxy" in imports(path)]
    assert wrong == []


@pytest.mark.parametrize("path", modules(TESTS), ids=source_id)
def test_no_test_sleeps_and_hopes(path):
    """eventually() waits for what is meant. A sleep that *is* the subject says so: `# sleeps: <why>`, on its line or on
    a line of its own for the whole file."""
    text = path.read_text()
    if re.search(r"^# sleeps: ", text, re.MULTILINE) or path.name == "test_layout.py":
        return
    naps = [f"{number}: {line.strip()}" for number, line in enumerate(text.splitlines(), 1)
            if SLEEPS.search(line) and "# sleeps: " not in line]
    assert naps == []


def test_every_test_can_fail():
    """A test function that asserts nothing, expects no exception and calls no checker cannot."""
    signs = re.compile(r"assert|raises|check|eventually|never|expect|wait_|verify")
    blind = []
    for path in modules(TESTS):
        text = path.read_text().splitlines()
        blind += [f"{source_id(path)}:{node.lineno} {name}" for name, node in functions(path)
                  if name.rpartition(".")[2].startswith("test_")
                  and not signs.search("\n".join(text[node.lineno - 1:node.end_lineno]))]
    assert blind == []


def test_modules_state_what_they_are():
    bare = [dotted(path) for path in modules() if path.read_text().strip() and not has_docstring(path)]
    assert bare == []


def has_docstring(path):
    import ast
    return bool(ast.get_docstring(tree(path)))

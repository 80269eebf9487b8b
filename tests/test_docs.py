"""What the documentation names exists: files, functions, make verbs, links; generated parts are up to date."""
import re

import pytest

from docs import generate
from tests.helpers.source_tree import ROOT, functions, tree

PAGES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])
CODE_REFERENCE = re.compile(r"`([\w./-]+\.py):([A-Za-z_][\w.]*)`")
PATH = re.compile(r"`((?:gmosn|tests|docs|bench|fuzz|conf|examples|build_support|changes)/[\w./*-]*|[A-Z][\w.]*\.md)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
VERB = re.compile(r"\bmake ([a-z]+)\b")
README_CAP = 120


def page_id(path):
    return str(path.relative_to(ROOT))


def defined_names(path):
    """Dotted names of the functions, methods, classes and module-level names of a .py."""
    import ast
    names = {name for name, _ in functions(path)}
    for node in tree(path).body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_named_code_exists(page):
    missing = [f"{path}:{name}" for path, name in CODE_REFERENCE.findall(page.read_text())
               if not (ROOT / path).exists() or name not in defined_names(ROOT / path)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_named_files_exist(page):
    text = page.read_text()
    missing = [path for path in PATH.findall(text)
               if not (any(ROOT.glob(path)) if "*" in path else (ROOT / path).exists())
               and not path.startswith("bench/out") and "NNN" not in path]
    missing += [link for link in LINK.findall(text) if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_make_verbs_exist(page):
    makefile = (ROOT / "Makefile").read_text()
    quoted = re.findall(r"`([^`]*)`|^(?:\$ )(.*)$", page.read_text(), re.MULTILINE)
    verbs = {verb for pair in quoted for verb in VERB.findall(" ".join(pair))}
    assert [verb for verb in verbs if not re.search(rf"^{verb}:", makefile, re.MULTILINE)] == []


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_CAP


def test_a_request_lives_twelve_steps():
    """Each step names the function where it happens, in files that exist (test_named_code_exists)."""
    text = (ROOT / "docs/architecture.md").read_text().partition("## Life of a request")[2]
    steps = re.findall(r"^(\d+)\. (.*(?:\n {3}.*)*)", text, re.MULTILINE)
    assert [int(number) for number, _ in steps] == list(range(1, 13))
    assert [number for number, step in steps if not CODE_REFERENCE.search(step)] == []


@pytest.mark.parametrize("page", sorted(generate.PAGES))
def test_generated_parts_are_up_to_date(page):
    assert (ROOT / page).read_text() == generate.page_text(page), "run `make docs`"

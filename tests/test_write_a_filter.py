"""docs/write-a-filter.md is true: it shows the example as it is, and its test passes."""
import re

import pytest

from gmosn.filter.http.python_filter import HOOKS
from tests.helpers.source_tree import ROOT

PAGE = ROOT / "docs" / "write-a-filter.md"
EXAMPLE = ROOT / "examples" / "python_filter" / "api_keys.py"


def block(name):
    found = re.search(rf"<!-- begin {re.escape(name)} -->\n```python\n(.*?)```\n<!-- end", PAGE.read_text(), re.DOTALL)
    return found.group(1)


def test_the_page_shows_the_example():
    assert block("api_keys.py") == EXAMPLE.read_text()
    assert len(EXAMPLE.read_text().splitlines()) <= 28


def test_the_test_of_the_page_passes():
    namespace = {}
    exec(EXAMPLE.read_text(), namespace)
    exec(block("test"), namespace)
    tests = [value for name, value in namespace.items() if name.startswith("test_")]
    assert len(tests) == 1
    tests[0]()


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_in_the_table(hook):
    assert f"`{hook}(stream" in PAGE.read_text()

"""The table of extensions: every entry exists, takes the configuration that it is listed under, and is documented."""
import importlib

import pytest

from gmosn.config import descriptors
from gmosn.extensions import TABLE, extension_table

ENTRIES = sorted(TABLE.items())


@pytest.mark.parametrize(("key", "target"), ENTRIES, ids=[f"{key[0]}-{key[1]}" for key, _ in ENTRIES])
def test_entry(key, target):
    category, full_name = key
    module, _, name = target.partition(":")
    found = getattr(importlib.import_module(module), name)
    assert callable(found.from_proto)
    assert full_name in descriptors.database().messages, f"no message {full_name}"
    assert getattr(found, "TYPE_URL", "") in ("", full_name)


def test_targets_are_used_once():
    assert len(set(TABLE.values())) == len(TABLE)


def test_importing_the_table_imports_no_extension(run_python):
    loaded = run_python("import sys, gmosn.extensions; print(*sys.modules)").split()
    homes = {target.partition(":")[0] for target in TABLE.values()}
    assert homes.isdisjoint(loaded)


def test_third_parties_add_to_the_table(monkeypatch):
    class Point:
        name, value = "envoy.filters.http/acme.v1.Config", "acme.filter:Filter"

    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Point] if group == "gmosn.extensions" else [])
    assert extension_table()["envoy.filters.http", "acme.v1.Config"] == "acme.filter:Filter"

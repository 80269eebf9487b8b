"""What is not implemented is refused by name and place; the table says nothing that does not exist."""
from pathlib import Path

import pytest

from gmosn.config import descriptors
from gmosn.config.support import check
from gmosn.config.support_table import (DIFFERENT, HARMLESS, IMPLEMENTED, REFUSED, TABLE, SupportTable, built_in)

NODE = "envoy.config.core.v3.Node"
SMALL = SupportTable("""\
# a comment
envoy.config.core.v3.Node: id ~cluster ?locality # why
envoy.config.core.v3.Locality: *
""")


def test_the_marks():
    names = ("id", "cluster", "locality", "metadata")
    assert [SMALL.status(NODE, name) for name in names] == [IMPLEMENTED, HARMLESS, DIFFERENT, REFUSED]
    assert SMALL.status("envoy.config.core.v3.Locality", "zone") == IMPLEMENTED
    assert SMALL.status("envoy.config.core.v3.Metadata", "filter_metadata") == REFUSED
    assert SMALL.status("google.protobuf.Struct", "fields") == IMPLEMENTED


def test_a_walk_names_the_outermost_place_only():
    node = descriptors.message_class(NODE)(id="n", cluster="c")
    node.locality.zone = "z"
    node.metadata["a"] = 1
    report = check(node, SMALL, ("node",))
    assert [str(error) for error in report.errors] == [
        f"node.metadata: gmosn does not implement the field 'metadata' of {NODE}"]
    assert report.warnings == [(("node", "locality"), f"gmosn ignores the field 'locality' of {NODE} for now")]


@pytest.mark.parametrize(("wrapper", "type_url"), [
    (None, None), ("xds.type.v3.TypedStruct", "envoy.extensions.filters.http.cors.v3.Cors")])
def test_types_inside_anys_and_typed_structs(wrapper, type_url):
    http_filter = descriptors.message_class(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter")(name="f")
    inner = descriptors.message_class(wrapper or "envoy.extensions.filters.http.cors.v3.Cors")()
    if wrapper:
        inner.type_url = f"type.googleapis.com/{type_url}"
    http_filter.typed_config.type_url = f"type.googleapis.com/{inner.DESCRIPTOR.full_name}"
    http_filter.typed_config.value = inner.SerializeToString()
    (error,) = check(http_filter).errors
    assert str(error) == ("typed_config: gmosn does not implement the extension type "
                          "'envoy.extensions.filters.http.cors.v3.Cors'")


def test_every_name_in_the_table_exists():
    for name, fields in built_in().messages.items():
        known = {field.name for field in descriptors.message_class(name).DESCRIPTOR.fields}
        assert set(fields) - {"*"} <= known, name


def test_the_table_is_sorted_and_says_each_name_once():
    names = [line.partition(":")[0] for line in Path(TABLE).read_text().splitlines() if line and not line.startswith("#")]
    assert names == sorted(set(names))

"""fill against protobuf's own JSON parser, on everything both accept."""

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from gmosn.config import descriptors
from gmosn.config.fill import Filler

TYPES = ["envoy.config.cluster.v3.Cluster", "envoy.config.route.v3.RouteConfiguration",
         "envoy.config.listener.v3.Listener",
         "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
         "envoy.config.core.v3.Node", "envoy.admin.v3.ServerInfo"]
NAMES = st.text("abc_", min_size=1, max_size=4)
NUMBERS = st.integers(-10, 10) | st.floats(allow_nan=False, allow_infinity=False, width=16)
JSON = st.recursive(st.none() | st.booleans() | NUMBERS | NAMES, max_leaves=3, extend=lambda inner: (
    st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2)))
FIELDS = st.sampled_from(["name", "domains", "virtual_hosts", "type", "address", "metadata", "typed_config", "@type",
                          "filter_chains", "http_filters"])


def scalar(draw, field):
    if field.enum_type is not None:
        value = draw(st.sampled_from(list(field.enum_type.values)))
        return draw(st.sampled_from([value.name, value.number]))
    kind = field.cpp_type
    if kind == field.CPPTYPE_STRING:
        return "YWJj" if field.type == field.TYPE_BYTES else draw(NAMES)
    if kind == field.CPPTYPE_BOOL:
        return draw(st.booleans())
    if kind in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return draw(st.floats(-1e6, 1e6, width=32))
    number = draw(st.integers(0, 2**31 - 1))
    return draw(st.sampled_from([number, str(number)]))


def message(draw, descriptor, depth):
    name = descriptor.full_name
    if name == "google.protobuf.Duration":
        return f"{draw(st.integers(0, 10**6))}.{draw(st.integers(0, 999))}s"
    if name == "google.protobuf.Timestamp":
        return "2026-01-02T03:04:05Z"
    if name == "google.protobuf.Struct":
        return draw(st.dictionaries(NAMES, JSON, max_size=2))
    if name == "google.protobuf.Value":
        return draw(JSON)
    if name == "google.protobuf.Any":
        return {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": draw(NAMES)}
    if name.startswith("google.protobuf.") and name.endswith("Value"):
        return scalar(draw, descriptor.fields_by_name["value"])
    value, taken = {}, set()
    for field in draw(st.lists(st.sampled_from(list(descriptor.fields)), max_size=4)) if descriptor.fields else ():
        oneof = field.containing_oneof.name if field.containing_oneof else field.name
        if (depth or field.message_type is None) and oneof not in taken:
            taken.add(oneof)
            value[draw(st.sampled_from([field.name, field.json_name]))] = content(draw, field, depth)
    return value


def content(draw, field, depth):
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        target = kind.fields_by_name["value"]
        one = message(draw, target.message_type, depth - 1) if target.message_type else scalar(draw, target)
        key = kind.fields_by_name["key"]
        return {"1" if key.cpp_type != key.CPPTYPE_STRING else "k": one}
    items = [message(draw, kind, depth - 1) if kind is not None else scalar(draw, field)
             for _ in range(draw(st.integers(0, 2)) if field.is_repeated else 1)]
    return items if field.is_repeated else items[0]


@st.composite
def cases(draw):
    cls = descriptors.message_class(draw(st.sampled_from(TYPES)))
    return cls, message(draw, cls.DESCRIPTOR, 4)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_same_as_json_format(case):
    cls, value = case
    filler, filled = Filler(check_support=False), cls()
    filler.fill(value, filled)
    assert filler.errors == []
    expected = json_format.ParseDict(value, cls(), descriptor_pool=descriptors.pool())
    assert filled.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TYPES), st.dictionaries(FIELDS, JSON, max_size=4))
def test_nonsense_is_reported_not_raised(name, value):
    filler = Filler()
    filler.fill(value, descriptors.message_class(name)())
    assert all(isinstance(str(error), str) for error in filler.errors)


@pytest.mark.parametrize("value", [None, 5, "x", [], True])
def test_the_root_must_be_a_mapping(value):
    filler = Filler()
    filler.fill(value, descriptors.message_class("envoy.config.core.v3.Node")())
    assert "expected a mapping" in str(filler.errors[0])

"""Lists of HTTP filters: order, optional ones, what is refused."""
import pytest

from gmosn.errors import ConfigError
from gmosn.filter.api import HttpFilter, TerminalHttpFilter
from gmosn.proxy.http_filters import build_http_filters
from tests.helpers.routes import context, message

HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter"
CLOSED = []


class Ordinary(HttpFilter):
    EXTENSION_NAME = "test.ordinary"

    @classmethod
    def from_proto(cls, config, context):
        return cls()

    def close(self):
        CLOSED.append(self.name)


class Terminal(TerminalHttpFilter):
    EXTENSION_NAME = "envoy.filters.http.router"

    @classmethod
    def from_proto(cls, config, context):
        return cls()

    def run(self, stream):
        pass


TABLE = {("envoy.filters.http", "envoy.config.core.v3.Node"): f"{__name__}:Ordinary",
         ("envoy.filters.http", "envoy.config.core.v3.Pipe"): f"{__name__}:Terminal"}
NODE, PIPE = ({"@type": f"type.googleapis.com/envoy.config.core.v3.{name}"} for name in ("Node", "Pipe"))
OTHER = {"@type": "type.googleapis.com/envoy.config.core.v3.Locality"}


def build(*filters):
    return build_http_filters([message(HCM, fields) for fields in filters], context(table=TABLE))


def test_in_order_with_their_names():
    built = build({"name": "a", "typed_config": NODE}, {"name": "b", "typed_config": NODE, "disabled": True},
                  {"name": "r", "typed_config": PIPE})
    assert [(one.name, one.disabled) for one in built] == [("a", False), ("b", True), ("r", False)]


def test_unknown_optional_filters_are_left_out():
    built = build({"name": "x", "typed_config": OTHER, "is_optional": True}, {"name": "y", "is_optional": True},
                  {"name": "r", "typed_config": PIPE})
    assert [one.name for one in built] == ["r"]


@pytest.mark.parametrize("filters, path, text", [
    ([{"name": "x", "typed_config": OTHER}], (0, "typed_config"), "Didn't find a registered implementation for 'x'"),
    ([{"name": "x"}], (0, "typed_config"), "Didn't find a registered implementation for 'x' with type URL: ''"),
    ([{"name": "r2", "typed_config": PIPE}, {"name": "r", "typed_config": PIPE}], (0,),
     "Error: terminal filter named r2 of type envoy.filters.http.router must be the last filter in a http filter chain."),
    ([{"name": "a", "typed_config": NODE}], (0,),
     "Error: non-terminal filter named a of type test.ordinary is the last filter in a http filter chain."),
    ([{"name": "r", "typed_config": PIPE, "disabled": True}], (0, "disabled"), "cannot be disabled by default"),
])
def test_refused(filters, path, text):
    with pytest.raises(ConfigError) as caught:
        build(*filters)
    assert (caught.value.path, text in caught.value.message) == (path, True)


def test_built_filters_are_closed_when_a_later_one_is_refused():
    CLOSED.clear()
    with pytest.raises(ConfigError):
        build({"name": "a", "typed_config": NODE}, {"name": "x", "typed_config": OTHER})
    assert CLOSED == ["a"]

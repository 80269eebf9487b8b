"""The flattened filter chain."""
from types import SimpleNamespace

from gmosn.filter.api import HttpFilter, HttpStream, Response
from gmosn.proxy.chain import FilterChain
from gmosn.proxy.http_filters import RouteFilterConfig


class Named(HttpFilter):
    """Writes down which hook ran."""

    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def on_request(self, stream):
        self.calls.append("request " + self.name)
        return Response(403) if self.name == "deny" else None

    def on_response(self, stream):
        self.calls.append("response " + self.name)

    def on_response_body(self, stream, chunks):
        for chunk in chunks:
            yield self.name.encode() + chunk


class Terminal(HttpFilter):
    def run(self, stream):
        pass


def stream(per_filter=None):
    made = HttpStream.__new__(HttpStream)
    made.route = None if per_filter is None else SimpleNamespace(per_filter=per_filter)
    return made


def test_requests_run_forward_until_a_response_and_responses_backward():
    calls = []
    chain = FilterChain([Named("a", calls), HttpFilter(), Named("deny", calls), Named("c", calls), Terminal()])
    assert chain.on_request(stream()).status == 403
    chain.on_response(stream())
    assert calls == ["request a", "request deny", "response c", "response deny", "response a"]


def test_a_hook_that_nobody_overrides_costs_nothing():
    chain = FilterChain([HttpFilter(), Terminal()])
    assert chain.request == chain.response == chain.logs == chain.request_body == chain.response_body == []


def test_a_route_switches_a_filter_off():
    calls = []
    chain = FilterChain([Named("a", calls), Named("b", calls), Terminal()])
    chain.on_request(stream({"a": RouteFilterConfig(True, None)}))
    assert calls == ["request b"]


def test_body_transforms_nest_in_response_order():
    chain = FilterChain([Named("a", []), Named("b", []), Terminal()])
    assert list(chain.transform(chain.response_body, stream(), iter([b"-"]))) == [b"ab-"]

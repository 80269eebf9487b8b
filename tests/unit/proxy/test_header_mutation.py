"""Header changes of routes: which, in which order, with which action."""
import pytest

from gmosn.errors import ConfigError
from gmosn.headers import ResponseHead
from gmosn.proxy.header_mutation import header_op, level_mutation
from tests.helpers.routes import host, message, request, table, to


def option(key, value, action=None, **fields):
    return {"header": {"key": key, "value": value}, **({"append_action": action} if action else {}), **fields}


def mutated(adds, removes=(), **headers):
    proto = message("envoy.config.route.v3.Route", {"request_headers_to_add": adds, "request_headers_to_remove": list(removes)})
    head = request(**headers)
    level_mutation(proto, "request").apply(head, None)
    return head


@pytest.mark.parametrize("action, without, alone, twice", [
    (None, [b"new"], [b"old", b"new"], [b"old", b"older", b"new"]),
    ("APPEND_IF_EXISTS_OR_ADD", [b"new"], [b"old", b"new"], [b"old", b"older", b"new"]),
    ("ADD_IF_ABSENT", [b"new"], [b"old"], [b"old", b"older"]),
    ("OVERWRITE_IF_EXISTS_OR_ADD", [b"new"], [b"new"], [b"new"]),
    ("OVERWRITE_IF_EXISTS", [], [b"new"], [b"new"])])
def test_append_action(action, without, alone, twice):
    assert mutated([option("X", "new", action)]).get_all(b"x") == without
    assert mutated([option("X", "new", action)], x="old").get_all(b"x") == alone
    assert mutated([option("X", "new", action)], x=["old", "older"]).get_all(b"x") == twice


@pytest.mark.parametrize("append, values", [(True, [b"old", b"new"]), (False, [b"new"])])
def test_old_append_flag(append, values):
    assert mutated([option("x", "new", append=append)], x="old").get_all(b"x") == values


def test_removals_come_first_and_empty_values_are_left_out():
    head = mutated([option("x", "new"), option("empty", ""), option("kept", "", keep_empty_value=True)], ["X", "gone"],
                   x="old", gone="1")
    assert head.get_all(b"x") == [b"new"]
    assert head.get(b"gone") is None and head.get(b"empty") is None and head.get(b"kept") == b""


def test_raw_values_are_bytes():
    import base64
    header = {"key": "x", "raw_value": base64.b64encode(b"\xff\x01").decode()}
    assert mutated([{"header": header}]).get(b"x") == b"\xff\x01"


@pytest.mark.parametrize("wins, request_order, response_order", [
    (False, [b"weight", b"route", b"host", b"config"], [b"weight", b"route", b"host", b"config"]),
    (True, [b"weight", b"config", b"host", b"route"], [b"weight", b"config", b"host", b"route"])])
def test_order_of_levels(wins, request_order, response_order):
    def level(name):
        return {f"{side}_headers_to_add": [option("x-level", name), option("x-last", name, "OVERWRITE_IF_EXISTS_OR_ADD")]
                for side in ("request", "response")}
    weighted = {"clusters": [{"name": "c0", "weight": 1, **level("weight")}]}
    routes = table(host({"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}, **level("route")}, **level("host")),
                   most_specific_header_mutations_wins=wins, **level("config"))
    head, response = request(), ResponseHead()
    route = routes.match(head, None)
    route.request_mutation.apply(head, None)
    route.response_mutation.apply(response, None)
    assert head.get_all(b"x-level") == request_order and head.get_all(b"x-last") == request_order[-1:]
    assert response.get_all(b"x-level") == response_order


def test_a_route_without_changes_has_none():
    route = table(host(to("c0"))).match(request(), None)
    assert route.request_mutation is None and route.response_mutation is None


@pytest.mark.parametrize("values, path, text", [
    (option(":path", "x"), ("header", "key"), ":-prefixed or host headers may not be modified"),
    (option("Host", "x"), ("header", "key"), "may not be modified"),
    (option("x", "y", "ADD_IF_ABSENT", append=True), ("append_action",), "Both append and append_action are set"),
    ({"header": {"key": "x", "value": "a", "raw_value": "Yg=="}}, ("header", "raw_value"), "cannot be set at the same time"),
])
def test_refused(values, path, text):
    with pytest.raises(ConfigError, match=text) as caught:
        header_op(message("envoy.config.core.v3.HeaderValueOption", values))
    assert caught.value.path == path


def test_removing_pseudo_headers_is_refused():
    with pytest.raises(ConfigError, match="may not be removed") as caught:
        mutated([], ["x", ":method"])
    assert caught.value.path == ("request_headers_to_remove", 1)

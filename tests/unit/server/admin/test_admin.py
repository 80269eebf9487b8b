"""Every path against what Envoy answered: status, content type, and text or structure."""
import json
import re

import pytest

from gmosn.errors import ConfigError
from gmosn.server.admin.admin import Admin
from gmosn.server.admin.http_types import AdminRequest, parse_query
from tests.helpers.admin_backend import FakeBackend
from tests.helpers.envoy_golden import FOLDER, GoldenResponse

OWN_PID = "self"


@pytest.fixture
def backend():
    return FakeBackend.from_yaml(FOLDER / "simple-http.yaml")


@pytest.fixture
def admin(backend):
    return Admin(backend, OWN_PID)


def get(admin, target, **more):
    return admin.handle(AdminRequest("GET", target, **more))


def post(admin, target, **more):
    return admin.handle(AdminRequest("POST", target, **more))


def same_head(answer, golden):
    assert answer.status == golden.status
    assert answer.content_type == golden.headers["content-type"]


@pytest.mark.parametrize("target, page", [
    ("/help", "help.txt"), ("/nope", "notfound.txt"), ("/tap", "notfound.txt"), ("/stats/", "notfound.txt"),
    ("/quitquitquit", "get_on_mutating.txt"), ("/logging", "get_on_mutating.txt"),
    ("/stats/recentlookups/clear", "get_on_mutating.txt"), ("/contention", "contention.json"),
    ("/listeners", "listeners.txt"), ("/certs", "certs.json"), ("/init_dump", "init_dump.json"),
    ("/config_dump?resource=nope", "config_dump_bad_resource.txt"), ("/stats?format=xx", "stats_bad_format.txt")])
def test_text_is_envoys(admin, target, page):
    golden = GoldenResponse(page)
    answer = get(admin, target)
    same_head(answer, golden)
    assert answer.body.decode() == golden.text


@pytest.mark.parametrize("target, page", [
    ("/logging", "logging_post.txt"), ("/runtime_modify", "runtime_modify_empty.txt"),
    ("/heapprofiler?enable=y", "heapprofiler.txt"), ("/cpuprofiler?enable=y", "cpuprofiler.txt")])
def test_posted_text_is_envoys(admin, target, page):
    golden = GoldenResponse(page)
    answer = post(admin, target)
    same_head(answer, golden)
    assert answer.body.decode() == golden.text


def test_a_method_that_is_not_post_is_named(admin):
    answer = admin.handle(AdminRequest("PUT", "/quitquitquit"))
    assert (answer.status, answer.body) == (405, b"Method PUT not allowed, POST required.")
    assert admin.backend.calls == []


def shape(value):
    """Structure of a JSON value: keys and types, without the values."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


@pytest.mark.parametrize("target, page", [
    ("/listeners?format=json", "listeners.json"), ("/memory", "memory.json"),
    ("/config_dump?mask=bootstrap.node.id", "config_dump_mask.json"),
    ("/config_dump?resource=static_clusters&mask=cluster.name", "config_dump_resource_mask.json")])
def test_json_is_envoys(admin, target, page):
    golden = GoldenResponse(page)
    answer = get(admin, target)
    same_head(answer, golden)
    assert shape(json.loads(answer.body)) == shape(golden.json)


def test_ready_follows_the_state(admin, backend):
    assert get(admin, "/ready").body == b"LIVE\n"
    post(admin, "/healthcheck/fail")
    answer, golden = get(admin, "/ready"), GoldenResponse("ready_after_fail.txt")
    assert (answer.status, answer.body) == (golden.status, golden.body)
    assert post(admin, "/healthcheck/ok").body == b"OK\n"
    assert get(admin, "/ready").status == 200
    backend.state.initialized = False
    assert get(admin, "/ready").body == b"INITIALIZING\n"


def test_server_info_has_every_field_of_envoys(admin):
    ours, golden = json.loads(get(admin, "/server_info").body), GoldenResponse("server_info.json").json
    assert set(ours) == set(golden)
    assert shape(ours["command_line_options"]) == shape(golden["command_line_options"])
    assert ours["state"] == "LIVE" and ours["uptime_current_epoch"] == "9s" and ours["version"] == "1.0/test"
    assert ours["node"]["id"] == "ref-node" and set(golden["node"]) - set(ours["node"]) <= {"user_agent_build_version"}


def test_commands_reach_the_backend(admin, backend):
    for target in ("/drain_listeners", "/drain_listeners?graceful&skip_exit", "/drain_listeners?inboundonly",
                   "/reopen_logs", "/quitquitquit", "/reset_counters", "/stats/recentlookups/enable"):
        assert (post(admin, target).body, post(admin, target).status) == (b"OK\n", 200)
    assert backend.calls[::2] == [("drain", False, False, False), ("drain", True, True, False),
                                  ("drain", False, False, True), ("reopen",), ("quit",)]
    assert get(admin, "/stats/recentlookups").body == b"   Count Lookup\n\ntotal: 0\n"


def test_log_levels(admin):
    post(admin, "/logging?level=debug")
    text = post(admin, "/logging?upstream=trace").body.decode()
    assert "\n  upstream: trace\n" in text and "\n  http: debug\n" in text
    text = post(admin, "/logging?paths=http:error,router:info").body.decode()
    assert "\n  http: error\n" in text and "\n  router: info\n" in text
    assert post(admin, "/logging?paths=&level=").status == 200


@pytest.mark.parametrize("query, page", [("nope=info", "logging_bad.txt"), ("http=loud", "logging_bad2.txt")])
def test_bad_log_levels(admin, query, page):
    golden = GoldenResponse(page)
    post(admin, "/logging?level=debug")
    post(admin, "/logging?paths=http:error,upstream:trace")
    answer = post(admin, "/logging?" + query)
    same_head(answer, golden)
    assert answer.body.decode() == golden.text


@pytest.mark.parametrize("query, error", [
    ("a=b&c=d", "invalid number of parameters"), ("paths=http", "empty logger name or empty logger level"),
    ("group=http:debug", "group parameter requires fine-grain logging to be enabled")])
def test_bad_log_parameters(admin, query, error):
    answer = post(admin, "/logging?" + query)
    assert answer.status == 400 and answer.body.decode().startswith(f"error: {error}\n\nusage: /logging?")


def test_runtime(admin, backend):
    before, golden = json.loads(get(admin, "/runtime").body), GoldenResponse("runtime.json").json
    assert before["layers"] == golden["layers"] and before["entries"]["my.key"] == golden["entries"]["my.key"]
    assert set(before["entries"]) == set(golden["entries"])
    assert post(admin, "/runtime_modify?my.key=7&other=1").body == b"OK\n"
    after, golden = json.loads(get(admin, "/runtime").body), GoldenResponse("runtime2.json").json
    assert after["entries"]["my.key"] == golden["entries"]["my.key"]
    assert after["entries"]["other"] == golden["entries"]["other"]
    form = dict(body=b"my.key=&other=2", content_type="application/x-www-form-urlencoded")
    assert post(admin, "/runtime_modify", **form).status == 200
    assert json.loads(get(admin, "/runtime").body)["entries"]["my.key"]["final_value"] == "5"
    assert backend.calls == [("runtime", {"my.key": "7", "other": "1"}), ("runtime", {"my.key": None, "other": "2"})]


def test_runtime_without_layers():
    admin = Admin(FakeBackend(), OWN_PID)
    assert json.loads(get(admin, "/runtime").body) == {"layers": [], "entries": {}}
    assert post(admin, "/runtime_modify?a=1").status == 503


def test_runtime_without_admin_layer():
    layer = {"name": "s", "static_layer": {"a": {"b": True}, "c": 1.5}}
    backend = FakeBackend({"layered_runtime": {"layers": [layer]}})
    admin = Admin(backend, OWN_PID)
    answer = post(admin, "/runtime_modify?a=1")
    assert (answer.status, answer.body) == (503, b"No admin layer specified")
    assert json.loads(get(admin, "/runtime").body)["entries"] == {
        "a.b": {"final_value": "true", "layer_values": ["true"]}, "c": {"final_value": "1.5", "layer_values": ["1.5"]}}


def test_stats_list_every_name_of_envoys_with_server_gauges(admin, backend):
    backend.worker_stats(0).counter("cluster.svc.upstream_rq_total").add(3)
    backend.worker_stats(1).counter("cluster.svc.upstream_rq_total").add(4)
    values = dict(line.split(": ", 1) for line in get(admin, "/stats").body.decode().splitlines())
    assert values["cluster.svc.upstream_rq_total"] == "7"
    assert values["server.live"] == "1" and values["server.concurrency"] == "2" and values["server.state"] == "0"
    assert values["cluster_manager.active_clusters"] == "2" and values["listener_manager.total_listeners_active"] == "1"
    assert values["cluster.svc.membership_total"] == "2" and values["cluster.svc.default.total_match_count"] == "2"
    assert int(values["server.memory_allocated"]) > 1 << 20 and values["gmosn.stats_overflow"] == "0"
    golden = {line.partition(": ")[0] for line in GoldenResponse("stats.txt").text.splitlines()}
    first_use = re.compile(r"cluster\.\w+\.(external|retry|zone|http1)\.|cluster\.\w+\.upstream_rq_(\d(xx|\d\d)|time)$")
    assert {name for name in golden if not first_use.match(name)} <= set(values)
    post(admin, "/reset_counters")
    assert get(admin, "/stats?filter=svc.upstream_rq_total").body == b"cluster.svc.upstream_rq_total: 0\n"


def test_stats_tags_of_bootstrap_and_command_line():
    backend = FakeBackend({"stats_config": {"stats_tags": [{"tag_name": "env", "fixed_value": "x"}],
                                            "stats_matcher": {
                                                "inclusion_list": {"patterns": [{"exact": "server.live"}]}}}},
                          stats_tag=["zone:z"])
    text = get(Admin(backend, OWN_PID), "/stats/prometheus").body.decode()
    assert text == '# TYPE envoy_server_live gauge\nenvoy_server_live{zone="z",env="x"} 1\n'


def test_bad_stats_config_is_refused():
    backend = FakeBackend({"stats_config": {"stats_tags": [{"tag_name": "mine"}]}})
    with pytest.raises(ConfigError) as error:
        Admin(backend, OWN_PID)
    assert error.value.path == ("stats_config", "stats_tags", 0)


def test_allowed_paths():
    admin = Admin(FakeBackend({"admin": {"allow_paths": [{"exact": "/ready"}, {"prefix": "/stats"}]}}), OWN_PID)
    assert get(admin, "/ready").status == get(admin, "/stats?usedonly").status == 200
    answer = get(admin, "/help?x")
    assert (answer.status, answer.body) == (403, b"request to path /help not allowed\n")


def test_home_page_links_every_path(admin):
    answer = get(admin, "/")
    assert answer.content_type.startswith("text/html")
    for path in ("/stats", "/config_dump", "/quitquitquit"):
        assert f"'{path}'".encode() in answer.body


def test_queries_are_decoded_but_plus_stays():
    assert parse_query("a=%5Ex%2b+y&b&c=&=d&&e=1=2") == [("a", "^x++y"), ("b", ""), ("c", ""), ("", "d"), ("e", "1=2")]


def test_init_dump_names_what_is_missing(admin, backend, monkeypatch):
    monkeypatch.setattr(backend, "unready_targets", lambda: ["target cds", "target lds"])
    assert json.loads(get(admin, "/init_dump").body)["unready_targets_dumps"][0]["target_names"] == [
        "target cds", "target lds"]

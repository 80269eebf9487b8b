"""Files, extensions, merging, places, warnings."""
import json
from argparse import Namespace

import pytest

from gmosn.config import descriptors
from gmosn.config.loader import load_bootstrap, load_text
from gmosn.errors import ConfigError, ConfigErrors

GOOD = """\
node: {id: n1}
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 9901}}
static_resources:
  clusters:
  - name: c0
    connect_timeout: 1s
    load_assignment:
      cluster_name: c0
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 18000}}}
"""


def load(path="", text="", **more):
    return load_bootstrap(Namespace(config_path=str(path), config_yaml=text, **more))


def problems(*args, **more):
    with pytest.raises(ConfigErrors) as caught:
        load(*args, **more)
    return [str(error) for error in caught.value.errors]


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_every_kind_of_file_gives_the_same_message(tmp_path):
    from google.protobuf import json_format, text_format
    message = load(written(tmp_path, "a.yaml", GOOD)).message
    as_json = json.dumps(json_format.MessageToDict(message, descriptor_pool=descriptors.pool()))
    contents = {"b.yml": GOOD, "b.json": as_json, "b.conf": as_json, "c.yaml": as_json,
                "b.pb": message.SerializeToString(), "b.pb_text": text_format.MessageToString(message)}
    for name, content in contents.items():
        assert load(written(tmp_path, name, content)).message == message


def test_yaml_in_a_file_of_another_name_is_refused(tmp_path):
    (problem,) = problems(written(tmp_path, "envoy.conf", GOOD))
    assert "envoy.conf:1:1: Unable to parse JSON as proto" in problem


def test_no_and_missing_configuration(tmp_path):
    assert problems() == [
        "At least one of --config-path or --config-yaml or Options::configProto() should be non-empty"]
    assert problems("/nonexistent.yaml") == ["Invalid path: /nonexistent.yaml"]
    assert problems(tmp_path)[0].startswith(f"Invalid path: {tmp_path}")


def test_all_problems_of_a_file_in_one_run(tmp_path):
    bad = GOOD.replace("connect_timeout: 1s", "conect_timeout: 1s\n    type: STATICC")
    path = written(tmp_path, "a.yaml", bad.replace("18000", "99999").replace("{id: n1}", "{id: y}"))
    assert [problem.removeprefix(f"{path}:").split(": ")[0] for problem in problems(path)] == [
        "1:8 node.id", "7:5 static_resources.clusters[0].conect_timeout", "8:5 static_resources.clusters[0].type",
        "13:69 static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address"
        ".socket_address.port_value"]


def test_config_yaml_is_merged_as_protobuf(tmp_path):
    loaded = load(written(tmp_path, "a.yaml", GOOD), "{admin: {address: {socket_address: {port_value: 1}}}, "
                  "static_resources: {clusters: [{name: c9, connect_timeout: 1s}]}}")
    address = loaded.message.admin.address.socket_address
    assert (address.address, address.port_value) == ("127.0.0.1", 1)
    assert [cluster.name for cluster in loaded.message.static_resources.clusters] == ["c0", "c9"]


def test_places_after_a_merge_name_the_source(tmp_path):
    path = written(tmp_path, "a.yaml", GOOD)
    loaded = load(path, "static_resources: {clusters: [{name: c9, connect_timeout: 1s}]}")
    exc = ConfigErrors([ConfigError("bad", ("static_resources", "clusters", 1, "name")),
                        ConfigError("worse", ("static_resources", "clusters", 0, "name"))])
    assert [str(error) for error in loaded.placed(exc).errors] == [
        "--config-yaml:1:32 static_resources.clusters[1].name: bad",
        f"{path}:6:5 static_resources.clusters[0].name: worse"]


def test_rules_hold_for_the_merged_whole(tmp_path):
    part = written(tmp_path, "a.yaml", "admin: {address: {socket_address: {address: 127.0.0.1}}}")
    assert "port_specifier" in problems(part)[0]
    assert load(part, "admin: {address: {socket_address: {port_value: 1}}}").message.admin.address


@pytest.mark.parametrize("flag", ["allow_unknown_static_fields", "allow_unknown_fields"])
def test_unknown_fields_may_be_allowed(flag):
    text = "{node: {foo: 1}, bar: {}, static_resources: {clusters: [{name: c, connect_timeout: 1s, type: NOPE}]}}"
    loaded = load("", text, **{flag: True})
    assert [warning.split(": ")[2] for warning in loaded.warnings] == [
        "no such field", "no such field", "unknown enum value"]
    assert loaded.warnings[0].startswith("--config-yaml:1:9 node.foo: Unknown field")


def test_deprecated_fields_are_warned_about_once():
    loaded = load_text("static_resources: {clusters: [{name: c, connect_timeout: 1s, http2_protocol_options: {}},\n"
                       "{name: d, connect_timeout: 1s, http2_protocol_options: {}}]}", "a.yaml", check_support=False)
    (warning,) = loaded.warnings
    assert warning.startswith("a.yaml:1:62 static_resources.clusters[0].http2_protocol_options: Deprecated field: "
                              "Using deprecated option 'envoy.config.cluster.v3.Cluster.http2_protocol_options'")


def test_warnings_about_deprecated_fields_can_be_switched_off():
    text = "admin: {access_log_path: /dev/null, address: {pipe: {path: /tmp/x}}}"
    assert len(load("", text).warnings) == 1
    assert load("", text, skip_deprecated_logs=True).warnings == []


def test_binary_with_unknown_fields(tmp_path):
    path = written(tmp_path, "a.pb", b"\xc2\x3e\x01x")           # field 1000
    assert "unknown field set {1000}" in problems(path)[0]
    assert "unknown field set {1000}" in load(path, allow_unknown_static_fields=True).warnings[0]
    assert "Unable to parse file" in problems(written(tmp_path, "b.pb", b"\xff\xff"))[0]


def test_binary_and_text_are_checked_too(tmp_path):
    path = written(tmp_path, "a.pb_text", 'static_resources { clusters { name: "" connect_timeout { seconds: 1 } } }')
    assert problems(path) == ["static_resources.clusters[0].name: value length must be at least 1 characters"]
    (problem,) = problems(written(tmp_path, "b.pb_text", "\nnope: 1"))
    assert problem.startswith(str(tmp_path / "b.pb_text") + ":2:1: Unable to parse file")
    refused = written(tmp_path, "c.pb_text", 'overload_manager { refresh_interval { seconds: 1 } }')
    assert problems(refused) == [
        "overload_manager: gmosn does not implement the field 'overload_manager' of "
        "envoy.config.bootstrap.v3.Bootstrap"]


def test_text_that_is_not_utf8(tmp_path):
    (problem,) = problems(written(tmp_path, "a.yaml", b"node:\n  id: \xff"))
    assert problem.startswith(f"{tmp_path}/a.yaml:2:1: not UTF-8")


def test_not_implemented_fields_and_types_are_refused_with_their_place():
    text = """\
overload_manager: {refresh_interval: 1s, actions: []}
static_resources:
  listeners:
  - name: l
    address: {socket_address: {address: 127.0.0.1, port_value: 1}}
    filter_chains:
    - filters:
      - name: redis
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
          stat_prefix: a
          settings: {op_timeout: 1s}
"""
    with pytest.raises(ConfigErrors) as caught:
        load_text(text, "a.yaml")
    assert [str(error) for error in caught.value.errors] == [
        "a.yaml:1:1 overload_manager: gmosn does not implement the field 'overload_manager' of "
        "envoy.config.bootstrap.v3.Bootstrap",
        "a.yaml:10:11 static_resources.listeners[0].filter_chains[0].filters[0].typed_config.@type: gmosn does not "
        "implement the extension type 'envoy.extensions.filters.network.redis_proxy.v3.RedisProxy'"]


HCM = """\
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 1}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": x.y/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: a
          route_config: {}
          http_filters:
          - {name: a, %s typed_config: {"@type": x.y/envoy.extensions.filters.http.cors.v3.Cors}}
          - {name: b, typed_config: {"@type": x.y/envoy.extensions.filters.http.router.v3.Router}}
"""


def test_an_optional_filter_that_is_not_implemented_is_left_out():
    with pytest.raises(ConfigErrors):
        load_text(HCM % "")
    (warning,) = load_text(HCM % "is_optional: true,").warnings
    assert "gmosn does not implement the extension type 'envoy.extensions.filters.http.cors.v3.Cors'; it is " in warning


@pytest.mark.parametrize("text", ["header_prefix: ''", "overload_manager: null", "stats_sinks: []"])
def test_a_not_implemented_field_that_is_not_set_is_no_problem(text):
    assert load_text(text)

import re

import pytest

from gmosn.errors import ConfigError
from gmosn.observe.stat_tags import StatTags, parse_cli_tags
from tests.helpers.envoy_golden import GoldenResponse


def metric(tags, name):
    """A name as a Prometheus line without its value."""
    extracted, found = tags.extract(name)
    labels = ",".join(f'{tag.replace(".", "_")}="{value}"' for tag, value in found)
    return f"envoy_{re.sub(r'[^a-zA-Z0-9_]', '_', extracted)}{{{labels}}}"


def test_every_name_of_a_running_envoy():
    """Metric names, labels and their order, for 560 names."""
    names = [item["name"] for item in GoldenResponse("stats.json").json["stats"] if "name" in item]
    expected = {line.rpartition(" ")[0] for line in GoldenResponse("stats.prom").text.splitlines() if line[0] != "#"}
    tags = StatTags()
    assert {metric(tags, name) for name in names} <= expected


@pytest.mark.parametrize("name, extracted, found", [
    ("cluster.c.upstream_rq_total", "cluster.upstream_rq_total", {"envoy.cluster_name": "c"}),
    ("cluster.c.grpc.helloworld.Greeter.0", "cluster.grpc.0",
     {"envoy.cluster_name": "c", "envoy.grpc_bridge_service": "helloworld", "envoy.grpc_bridge_method": "Greeter"}),
    ("listener.[__1]_0.ssl.ciphers.AES256-SHA", "listener.ssl.ciphers",
     {"envoy.ssl_cipher": "AES256-SHA", "envoy.listener_address": "[__1]_0"}),
    ("listener.10.0.0.1_80.http.in.downstream_rq_5xx", "listener.http.downstream_rq_xx",
     {"envoy.response_code_class": "5", "envoy.http_conn_manager_prefix": "in",
      "envoy.listener_address": "10.0.0.1_80"}),
    ("listener.admin.downstream_cx_total", "listener.admin.downstream_cx_total", {}),
    ("http.in.rds.a/b.c.update_success", "http.rds.update_success",
     {"envoy.http_conn_manager_prefix": "in", "envoy.rds_route_config": "a/b.c"}),
    ("vhost.v.vcluster.vc.upstream_rq_2xx", "vhost.vcluster.upstream_rq_xx",
     {"envoy.virtual_host": "v", "envoy.virtual_cluster": "vc", "envoy.response_code_class": "2"}),
    ("tcp.p.downstream_cx_total", "tcp.downstream_cx_total", {"envoy.tcp_prefix": "p"}),
    ("mongo.m.collection.c.callsite.s.query.total", "mongo.collection.callsite.query.total",
     {"envoy.mongo_prefix": "m", "envoy.mongo_collection": "c", "envoy.mongo_callsite": "s"}),
    ("p.http_local_rate_limit.ok", "http_local_rate_limit.ok", {"envoy.local_http_ratelimit_prefix": "p"}),
    ("http.in.rbac.policy.p.allowed", "http.rbac.policy.allowed",
     {"envoy.http_conn_manager_prefix": "in", "envoy.rbac_policy_name": "p"}),
    ("listener.1.2.3.4_5.worker_3.downstream_cx_total", "listener.worker_downstream_cx_total",
     {"envoy.listener_address": "1.2.3.4_5", "envoy.worker_id": "3"}),
    ("cluster", "cluster", {}),
])
def test_default_rules(name, extracted, found):
    text, tags = StatTags().extract(name)
    assert (text, dict(tags)) == (extracted, found)


def test_own_and_fixed_tags_come_before():
    tags = StatTags([("env", "", "prod"), ("shard", r"^cluster\.((.+?)_shard\.)", None)], cli_tags=[("zone", "z")])
    assert tags.extract("cluster.a_shard.x") == (
        "cluster.x", [("zone", "z"), ("env", "prod"), ("envoy.cluster_name", "a_shard"), ("shard", "a")])


def test_without_defaults_only_what_is_named():
    tags = StatTags([("envoy.cluster_name", "", None)], use_defaults=False)
    assert tags.extract("cluster.c.upstream_rq_200") == ("cluster.upstream_rq_200", [("envoy.cluster_name", "c")])
    assert tags.extract("http.h.rq_200") == ("http.h.rq_200", [])


@pytest.mark.parametrize("regex, text", [
    ("", "No regex specified for tag specifier and no default regex for name: 'mine'"), ("(", "Invalid regex '('"),
    ("plain", "Invalid regex 'plain'")])
def test_bad_specifiers(regex, text):
    with pytest.raises(ConfigError) as error:
        StatTags([("mine", regex, None)])
    assert text in str(error.value) and error.value.path[0] == "stats_tags"


def test_command_line_tags():
    assert parse_cli_tags(["a:b", "c_1:d:e"]) == [("a", "b"), ("c_1", "d:e")]
    for bad in ("a", "a:", "a-b:c", "a:b.c"):
        with pytest.raises(ValueError, match="error: misformatted stats-tag"):
            parse_cli_tags([bad])

"""Envoy's leniency when JSON becomes protobuf. Every verdict below is Envoy 1.40's (`--mode validate`)."""
import pytest

from gmosn.config.loader import load_text
from gmosn.errors import ConfigErrors

CLUSTER = "static_resources: {clusters: [{name: c, connect_timeout: 1s, %s}]}"
TYPED = "transport_socket: {name: x, typed_config: %s}"
RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"

# (fields of a cluster, None when Envoy accepts it or a word of the error)
CLUSTER_PROBES = [
    ("type: static", None), ("type: Strict_Dns", None), ("type: strict-dns", "unknown enum value"), ("type: 0", None),
    ("type: '1'", None), ("type: 99", "defined enum values"), ("type: true", "expected number or string"),
    ("type: [STATIC]", "expected number or string"), ("type: '1.0'", "unknown enum value"), ("type: null", None),
    ("type: STATICC", "did you mean STATIC"), ("dns_lookup_family: v4-only", "unknown enum value"),
    ("lb_policy: round_robin", None),
    ("health_checks: {timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}}",
     None),
    ("typed_extension_protocol_options: []", "expected a mapping"),
    ("circuit_breakers: {thresholds: {max_connections: 5}}", None),
    ("per_connection_buffer_limit_bytes: '5'", None), ("per_connection_buffer_limit_bytes: 5.0", None),
    ("per_connection_buffer_limit_bytes: '5.0'", None), ("per_connection_buffer_limit_bytes: 1e3", None),
    ("per_connection_buffer_limit_bytes: 0x10", None), ("per_connection_buffer_limit_bytes: '0x10'", None),
    ("per_connection_buffer_limit_bytes: '+5'", None), ("per_connection_buffer_limit_bytes: '05'", None),
    ("per_connection_buffer_limit_bytes: '-0'", None), ("per_connection_buffer_limit_bytes: '10e-1'", None),
    ("per_connection_buffer_limit_bytes: '5.'", None), ("per_connection_buffer_limit_bytes: ' 5'", "invalid number"),
    ("per_connection_buffer_limit_bytes: '5 '", "invalid number"),
    ("per_connection_buffer_limit_bytes: '1_0'", "invalid number"),
    ("per_connection_buffer_limit_bytes: ''", "invalid number"),
    ("per_connection_buffer_limit_bytes: {value: 5}", None),
    ("per_connection_buffer_limit_bytes: {}", None), ("per_connection_buffer_limit_bytes: {value: null}", None),
    ("per_connection_buffer_limit_bytes: {valu: 5}", "no such field: 'valu'"),
    ("per_connection_buffer_limit_bytes: true", "expected number or string"),
    ("per_connection_buffer_limit_bytes: [5]", "expected number or string"),
    ("per_connection_buffer_limit_bytes: 1.5", "fractional part"),
    ("respect_dns_ttl: 'true'", None), ("respect_dns_ttl: 1", "expected 'true' or 'false'"),
    ("respect_dns_ttl: yes", None),
    ("respect_dns_ttl: 'yes'", None), ("respect_dns_ttl: 't'", None), ("respect_dns_ttl: '1'", None),
    ("respect_dns_ttl: ''", "expected 'true' or 'false'"), ("alt_stat_name: 5", "expected a string"),
    ("alt_stat_name: true", "expected a string"), ("alt_stat_name: 1.5", None), ("alt_stat_name: null", None),
    ("altStatName: abc", None), ("altStatName: abc, alt_stat_name: def", None), ("connectTimeout: 2s", None),
    ("dns_refresh_rate: 5", "did you mean \"5s\""), ("dns_refresh_rate: 5000ms", "must end with a single 's'"),
    ("dns_refresh_rate: '5s'", None), ("dns_refresh_rate: 5.5s", None), ("dns_refresh_rate: 1.0000000001s", "duration"),
    ("dns_refresh_rate: {seconds: 5}", None), ("dns_refresh_rate: {seconds: 5, foo: 1}", "no such field: 'foo'"),
    ("dns_refresh_rate: 1e1s", "duration"), ("dns_refresh_rate: .5s", "must start"),
    ("dns_refresh_rate: 5.s", "duration"),
    ("dns_refresh_rate: '5 s'", "duration"), ("dns_refresh_rate: +5s", "must start"),
    ("dns_refresh_rate: []", "duration"),
    ("dns_refresh_rate: 315576000001s", "out of range"),
    ("metadata: {filter_metadata: {a: {b: null, c: [1, x, {d: 1}]}}}", None),
    ("metadata: {filter_metadata: {a: null}}", None),
    ("metadata: {filter_metadata: {a: 1}}", "expected a mapping"), ("load_assignment: null", None),
    ("load_assignment: {cluster_name: c, endpoints: [null]}", None), ("load_assignment: []", "expected a mapping"),
    ("common_lb_config: {healthy_panic_threshold: {value: 50}}", None),
    ("common_lb_config: {healthy_panic_threshold: {value: '50.5'}}", None),
    ("common_lb_config: {healthy_panic_threshold: {value: 50.5}}", None),
    ("common_lb_config: {healthy_panic_threshold: {value: 0x1F}}", None),
    ("common_lb_config: {healthy_panic_threshold: 50}", "expected a mapping"),
    ("common_lb_config: {healthy_panic_threshold: {value: 150}}", "less than or equal to 100"),
    ("common_lb_config: {healthy_panic_threshold: {value: inf}}", "less than or equal to 100"),
    ("common_lb_config: {healthy_panic_threshold: {value: true}}", "expected number or string"),
    ("common_lb_config: {healthy_panic_threshold: {value: '1_0'}}", "invalid number"),
    ("max_requests_per_connection: 4294967296", "out of range"), ("max_requests_per_connection: '4294967295'", None),
    ("max_requests_per_connection: -1", "out of range"), ("foo: 1", "no such field: 'foo'"),
    ("hidden_envoy_deprecated_tls_context: {}", "no such field"), ("tls_context: {}", "no such field"),
    ("hosts: []", "no such field"), ("name: d", None),
    (TYPED % f'{{"@type": {RAW_BUFFER}}}', "must contain at least one /"),
    (TYPED % f'{{"@type": /{RAW_BUFFER}}}', "nonempty host"), (TYPED % f'{{"@type": x.y/{RAW_BUFFER}}}', None),
    (TYPED % '{"@type": 5}', "@type must be a string"), (TYPED % "[]", "expected a mapping"), (TYPED % "{}", None),
    (TYPED % '{"@type": x/google.protobuf.Struct, value: {a: 1}}', None),
    (TYPED % '{"@type": x/google.protobuf.Struct, a: 1}', "must be @type or value"),
    (TYPED % f'{{"@type": x/xds.type.v3.TypedStruct, type_url: x/{RAW_BUFFER}, value: {{}}}}', None),
    (TYPED % f'{{"@type": x/udpa.type.v1.TypedStruct, type_url: x/{RAW_BUFFER}, value: {{a: 1}}}}',
     "no such field: 'a'"),
    (TYPED % f'{{"@type": x/xds.type.v3.TypedStruct, type_url: {RAW_BUFFER}}}', None),
    (TYPED % '{"@type": x/xds.type.v3.TypedStruct, type_url: x/nope.Nope, value: {}}', "Didn't find a registered"),
    (TYPED % '{"@type": x/nope.Nope}', "could not find @type"),
    (TYPED % '{a: 1}', "missing @type"),
    ("upstream_bind_config: {socket_options: [{level: 1, name: 2, int_value: '9223372036854775807'}]}", None),
    ("upstream_bind_config: {socket_options: [{level: 1, name: 2, int_value: '9223372036854775808'}]}", "out of range"),
    ("upstream_bind_config: {socket_options: [{level: 1, name: 2, int_value: 1, buf_value: eA==}]}",
     "already been set"),
]
BOOTSTRAP_PROBES = [
    ("{extra: 1, node: {foo: 2}}", "no such field: 'extra'"), ("node: {client_features: x}", None),
    ("node: {client_features: [1]}", "expected a string"), ("node: {client_features: [null]}", None),
    ("node: {client_features: [[x]]}", None), ("node: {client_features: {a: b}}", "expected a string"),
    ("node: []", "expected a mapping"), ("static_resources: {clusters: [{}]}", "at least 1 characters"),
    ("static_resources: {clusters: [null]}", "at least 1 characters"),
    ("static_resources: {clusters: x}", "expected a mapping"),
    ("static_resources: {clusters: {name: c, connect_timeout: 1s}}", None), ("node: {id: [x]}", "expected a string"),
    ("node: {id: {a: b}}", "expected a string"), ("node: {locality: {region: 5.5}}", None),
    ("node: {metadata: [1]}", "mapping"),
    ("node: {metadata: null}", None), ('node: {"": 5}', "no such field: ''"), ("{5: x}", "no such field: '5'"),
    ("node: {id: a, id: b}", None), ("node: {id: n}", "quote it"), ("node: {id: 'n'}", None),
    ('node: {id: !!int "5"}', "expected a string"), ("admin: {}", None), ("[[a]]", "expected a mapping"),
    ("node: {metadata: {a: 1.5, b: 0x1F, c: 3000000000}}", None),
    ("static_resources: {clusters: [{name: c, connect_timeout: {}}]}", "greater than 0"),
    ("static_resources: {secrets: [{name: x, generic_secret: {secret: {inline_bytes: aGk=}}}]}", None),
    ("static_resources: {secrets: [{name: x, generic_secret: {secret: {inline_bytes: aGk}}}]}", None),
    ("static_resources: {secrets: [{name: x, generic_secret: {secret: {inline_bytes: a-_k}}}]}", None),
    ("static_resources: {secrets: [{name: x, generic_secret: {secret: {inline_bytes: a}}}]}", "corrupt base64"),
    ("static_resources: {secrets: [{name: x, generic_secret: {secret: {inline_bytes: $$}}}]}", "corrupt base64"),
]


@pytest.mark.parametrize(("text", "problem"), [
    *((CLUSTER % probe, word) for probe, word in CLUSTER_PROBES), *BOOTSTRAP_PROBES])
def test_as_envoy(text, problem):
    if problem is None:
        assert load_text(text, check_support=False).message is not None
    else:
        with pytest.raises(ConfigErrors) as caught:
            load_text(text, check_support=False)
        assert problem in str(caught.value)


@pytest.mark.parametrize(("probe", "read", "value"), [
    ("type: Strict_Dns", lambda c: c.type, 1), ("type: '2'", lambda c: c.type, 2),
    ("altStatName: abc, alt_stat_name: def", lambda c: c.alt_stat_name, "def"), ("name: d", lambda c: c.name, "d"),
    ("per_connection_buffer_limit_bytes: '0x10'", lambda c: c.per_connection_buffer_limit_bytes.value, 16),
    ("per_connection_buffer_limit_bytes: '05'", lambda c: c.per_connection_buffer_limit_bytes.value, 5),
    ("per_connection_buffer_limit_bytes: 010", lambda c: c.per_connection_buffer_limit_bytes.value, 8),
    ("per_connection_buffer_limit_bytes: 1e3", lambda c: c.per_connection_buffer_limit_bytes.value, 1000),
    ("per_connection_buffer_limit_bytes: {}", lambda c: c.HasField("per_connection_buffer_limit_bytes"), True),
    ("connectTimeout: 2.5s", lambda c: c.connect_timeout.ToMilliseconds(), 2500),
    ("connectTimeout: {seconds: 2, nanos: 1000000}", lambda c: c.connect_timeout.ToMilliseconds(), 2001),
    ("load_assignment: {cluster_name: c, endpoints: [null]}", lambda c: len(c.load_assignment.endpoints), 1),
    ("alt_stat_name: 1.5", lambda c: c.alt_stat_name, "1.5"),
    ("load_assignment: null", lambda c: c.HasField("load_assignment"), False),
    ("metadata: {filter_metadata: {a: {b: [1, null, 2.5, y]}}}",
     lambda c: [v.WhichOneof("kind") for v in c.metadata.filter_metadata["a"].fields["b"].list_value.values],
     ["number_value", "null_value", "string_value", "bool_value"]),
])
def test_values(probe, read, value):
    assert read(load_text(CLUSTER % probe, check_support=False).message.static_resources.clusters[0]) == value

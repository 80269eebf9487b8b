"""Broken bootstraps: Envoy's verdict on each, and the line that has to be named.

Two sets: cases made here from one good file, and the 51 files of the shared fixtures, where they are.
"""
import pytest

from gmosn.cli import parse
from gmosn.extensions import extension_table
from gmosn.server.validate import validate
from tests.helpers.fixtures import shared_fixtures

GOOD = """\
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 0}}
static_resources:
  listeners:
  - name: l0
    address: {socket_address: {address: 127.0.0.1, port_value: 18080}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          access_log: []
          route_config:
            name: local
            virtual_hosts:
            - name: vh
              domains: ["*"]
              routes:
              - match: {prefix: "/"}
                route: {cluster: c0}
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: c0
    connect_timeout: 1s
    type: STATIC
    load_assignment:
      cluster_name: c0
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 18000}}}
"""
LOG = ('[{name: f, typed_config: {"@type": x.y/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null, '
       'log_format: {text_format_source: {inline_string: "%NOPE%"}}}}]')
SECOND = """\
  - name: l1
    address: {socket_address: {address: 127.0.0.1, port_value: PORT}}
    filter_chains: CHAINS
  clusters:
"""
ROUTER = "envoy.extensions.filters.http.router.v3.Router"

# (what is replaced, by what, the line to be named or None when Envoy accepts it, words of the message)
CASES = [
    ("1s", "1s", None, ""),
    ("static_resources", "statik_resources", 3, "no such field: 'statik_resources'"),
    ("connect_timeout", "conect_timeout", 28, "did you mean 'connect_timeout'"),
    ("stat_prefix", "stat_prefixx", 12, "no such field: 'stat_prefixx'"),
    ("18080", "abc", 6, "invalid number: 'abc'"),
    ("load_assignment:", "alt_stat_name: {a: b}\n    load_assignment:", 30, "expected a string"),
    ("match: {prefix: \"/\"}", "match: [a]", 20, "expected a mapping"),
    ("STATIC", "STATICC", 29, "unknown enum value: 'STATICC'"),
    ("connect_timeout: 1s", "connect_timeout: 1", 28, "did you mean \"1s\""),
    ("connect_timeout: 1s", "connect_timeout: 1ms", 28, "duration must end with a single 's'"),
    ("          stat_prefix: ingress\n", "", 10, "value length must be at least 1 characters"),
    (".router.v3", ".routerr.v3", 25, "could not find @type"),
    ("http_connection_manager.v3", "http_connection_manager.v2", 11, "could not find @type"),
    (f'\n              "@type": type.googleapis.com/{ROUTER}', " {a: 1}", 24, "missing @type"),
    (f'typed_config:\n              "@type": type.googleapis.com/{ROUTER}', "config: {}",
     24, "no such field: 'config'"),
    ("{cluster: c0}", "{cluster: nope}", 21, "route: unknown cluster 'nope'"),
    ("          http_filters:\n          - name: envoy.filters.http.router\n            typed_config:\n"
     f'              "@type": type.googleapis.com/{ROUTER}\n', "", None, ""),
    ("{prefix: \"/\"}", "{prefix: /, path: /}", 20, "'path' has already been set"),
    ("{prefix: \"/\"}", "{case_sensitive: true}", 20, "is required"),
    ("[\"*\"]", "[]", 18, "value must contain at least 1 item(s)"),
    ("          http_filters", "            - {name: v2, domains: [\"*\"]}\n          http_filters", 22,
     "Only a single wildcard domain is permitted in route local"),
    ("18080", "99999", 6, "value must be less than or equal to 65535"),
    ("127.0.0.1, port_value: 18080", "localhost, port_value: 18080", 6, "malformed IP address: localhost"),
    ("{prefix: \"/\"}", "{safe_regex: {regex: \"([\"}}", 20, "missing ]: ["),
    ("  clusters:", " clusters:", 26, ""),
    ("  clusters:", "\tclusters:", 26, "tab"),
    ("name: vh", "name: n", 17, "quote it"),
    ("stat_prefix", "stream_error_on_invalid_http_message: maybe\n          stat_prefix",
     12, "expected 'true' or 'false'"),
    ("  clusters:", "  clusters:\n  - {name: c0, connect_timeout: 1s}", 28, "cluster manager: duplicate cluster 'c0'"),
    (ROUTER, "envoy.extensions.filters.network.echo.v3.Echo", 24, "Didn't find a registered implementation for "
     "'envoy.filters.http.router' with type URL: 'envoy.extensions.filters.network.echo.v3.Echo'"),
    (f'\n            typed_config:\n              "@type": type.googleapis.com/{ROUTER}', "", 23,
     "Didn't find a registered implementation for 'envoy.filters.http.router' with type URL: ''"),
    ("18080", "-1", 6, "out of range"),
    ("{cluster: c0}", "{cluster: c0, retry_policy: {retry_back_off: {base_interval: 0s}}}",
     21, "must be greater than 0s"),
    ("connect_timeout: 1s", "connect_timeout: 1s\n    http2_protocol_options: {}", None, ""),
    ("stat_prefix: ingress", "stat_prefix: null", 12, "value length must be at least 1 characters"),
    (GOOD, "", 1, "Unable to convert YAML as JSON"),
    (GOOD, "- a\n- b\n", 1, "expected a mapping"),
    ("    address: {socket_address: {address: 127.0.0.1, port_value: 18080}}\n", "", 5, "address is necessary"),
    ("  clusters:\n", SECOND.replace("PORT", "18080").replace("CHAINS", "[{filters: []}]"), 27,
     "'l1' has duplicate address '127.0.0.1:18080' as existing listener"),
    ("  clusters:\n", SECOND.replace("PORT", "18081").replace("CHAINS", "[{filters: []}, {filters: []}]"), 28,
     "has the same matching rules defined as ''"),
    (ROUTER, "envoy.extensions.filters.http.dynamo.v3.Dynamo", 25, "could not find @type"),
    ("          http_filters:\n", "          http_filters:\n"
     f'          - {{name: r2, typed_config: {{"@type": x.y/{ROUTER}}}}}\n', 23,
     "Error: terminal filter named r2 of type envoy.filters.http.router must be the last filter in a http filter "),
    ("STATIC", "EDS", 29, "cannot create an EDS cluster without an EDS config"),
    ("{prefix: \"/\"}", "{<<: {prefix: \"/\"}}", 20, "no such field: '<<'"),
    ("{cluster: c0}", "{weighted_clusters: {clusters: [{name: c0, weight: 0}]}}", 21,
     "Sum of weights in the weighted_cluster must be greater than 0."),
    ("access_log: []", f"access_log: {LOG}", 13, "Not supported field in StreamInfo: NOPE"),
    ("route: {cluster: c0}",
     "route: {cluster: c0}\n                request_headers_to_add: [{header: {key: x y, value: z}}]",
     None, ""),
    ("127.0.0.1, port_value: 18000", "foo.example, port_value: 18000",
     34, "malformed IP address: foo.example. Consider "
     "setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'"),
    ("18080", "1.5", 6, "expected integer, but JSON number had fractional part"),
    ("static_resources", "dynamic_resources: {lds_config: {ads: {}}}\nstatic_resources", None, ""),
]
# The shared files: line that must be named, None = accepted. 34 names the transport socket until there is TLS.
FIXTURES = {
    "00-good": None, "01-unknown-field-top": 34, "02-unknown-field-cluster": 28, "03-unknown-field-in-any": 13,
    "04-wrong-type-int": 6, "05-wrong-type-string-for-msg": 29, "06-list-for-message": 19, "07-bad-enum": 28,
    "08-bad-duration": 27, "09-bad-duration2": 27, "10-missing-required-stat-prefix": 10, "11-unknown-type-url": 24,
    "12-v2-type-url": 11, "13-missing-at-type": 23, "14-v2-config-field": 10, "15-unknown-cluster": 20,
    "16-no-router-filter": None, "17-two-oneofs": 19, "18-oneof-required-missing": 19, "19-empty-domains": 17,
    "20-dup-domains": 22, "21-port-too-big": 6, "22-bad-ip": 6, "23-bad-regex": 19, "24-yaml-syntax": 26,
    "25-yaml-tab": 25,
    "26-bool-as-string-name-n": 16, "27-string-for-bool": 13, "28-dup-cluster": 34, "29-extension-type-mismatch": 23,
    "30-unknown-ext-name-no-typed": 22, "31-negative-uint": 6, "32-deprecated-field": 20, "33-deprecated-hidden": None,
    "34-tls-missing-cert": 11, "35-null-value": 12, "36-empty-file": 1, "37-not-a-map": 1, "38-listener-no-address": 5,
    "39-dup-listener-addr": 26, "40-dup-filter-chain-match": 27, "41-extension-not-compiled": 24, "42-not-terminal": 22,
    "43-eds-no-config": 28, "44-merge-key": 19, "45-weight-zero": 20, "46-bad-access-log-format": 18,
    "47-bad-header-name": None, "48-hostname-static": 33, "49-int-as-float": 6, "50-static-no-node-xds": None,
}


def verdict(path, capsys):
    """(exit code, standard output, the lines on standard error) of --mode validate."""
    code = validate(parse(["--mode", "validate", "-c", str(path), "-l", "off"]), extension_table())
    out, err = capsys.readouterr()
    return code, out, err.splitlines()


def check_verdict(path, line, words, capsys):
    code, out, err = verdict(path, capsys)
    if line is None:
        assert (code, out, err) == (0, f"configuration '{path}' OK\n", [])
        return
    assert code == 1 and out == ""
    named = [int(text.removeprefix(f"{path}:").split(":")[0]) for text in err]
    assert set(named) == {line}, err
    assert words in "\n".join(err)


@pytest.mark.parametrize(("old", "new", "line", "words"), CASES)
def test_own_cases(old, new, line, words, tmp_path, capsys):
    assert old in GOOD
    path = tmp_path / "a.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    check_verdict(path, line, words, capsys)


@pytest.mark.parametrize("name", FIXTURES)
def test_shared_cases(name, capsys):
    check_verdict(shared_fixtures("bad-configs", f"{name}.yaml"), FIXTURES[name], "", capsys)


@pytest.mark.parametrize("name", FIXTURES)
def test_the_table_has_envoys_verdict(name):
    out = shared_fixtures("bad-configs", f"{name}.out").read_text()
    assert (FIXTURES[name] is None) == ("exit=0" in out)


def test_an_unknown_cluster_is_no_problem_of_its_own_when_the_cluster_is_there_but_bad(tmp_path, capsys):
    path = tmp_path / "a.yaml"
    path.write_text(GOOD.replace("STATIC", "EDS"))
    assert len(verdict(path, capsys)[2]) == 1

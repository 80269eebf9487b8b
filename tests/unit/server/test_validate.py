import subprocess
import sys

import pytest

from gmosn.cli import parse
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.extensions import HTTP, NETWORK, extension_table
from gmosn.observe.log import Logs
from gmosn.server.validate import tell_errors, without_disabled
from tests.helpers.timing import SCALE

ROUTER = (HTTP, "envoy.extensions.filters.http.router.v3.Router")
TCP_PROXY = (NETWORK, "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy")


@pytest.fixture
def logs(tmp_path):
    return Logs(pattern="%l %n %v", path=str(tmp_path / "log"))


def test_disabled_extensions_are_gone(logs, tmp_path):
    table = without_disabled(extension_table(), "envoy.filters.http/envoy.filters.http.router", logs)
    assert ROUTER not in table and TCP_PROXY in table
    assert table.get(ROUTER) is None
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.parametrize("entry", ["bogus", "envoy.filters.http/bogus", "envoy.filters.network/envoy.filters.http.router"])
def test_unknown_names_are_warned_about(logs, tmp_path, entry):
    assert ROUTER in without_disabled(extension_table(), entry, logs)
    assert (tmp_path / "log").read_text() == f"warning misc failed to disable invalid extension name '{entry}'\n"


def test_errors_are_told_one_a_line_whatever_the_level(logs, capsys):
    errors = ConfigErrors([ConfigError("first", ("a",)), ConfigError("second")])
    tell_errors(parse(["-c", "x.yaml", "-l", "off"]), logs.get("main"), errors)
    tell_errors(parse(["-c", "x.yaml"]), logs.get("main"), ConfigError("third"))
    assert capsys.readouterr().err == "a: first\nsecond\nthird\n"


def test_a_log_file_has_them_too(logs, tmp_path, capsys):
    tell_errors(parse(["-c", "x.yaml", "--log-path", "y"]), logs.get("main"), ConfigError("broken"))
    assert (tmp_path / "log").read_text() == "critical main error initializing configuration 'x.yaml': broken\n"
    assert capsys.readouterr().err == "broken\n"


def test_validation_imports_nothing_that_it_does_not_use(tmp_path):
    """Start-up time. gevent: 70 ms; the others 8 to 25 ms each."""
    config = tmp_path / "c.yaml"
    config.write_text("static_resources:\n  clusters:\n  - name: a\n    connect_timeout: 1s\n  listeners:\n  - address:\n"
                      "      socket_address:\n        address: 127.0.0.1\n        port_value: 0\n    name: l\n"
                      "    filter_chains:\n    - filters:\n      - name: hcm\n        typed_config:\n"
                      "          '@type': type.googleapis.com/envoy.extensions.filters.network."
                      "http_connection_manager.v3.HttpConnectionManager\n          stat_prefix: s\n"
                      "          route_config:\n            name: r\n          http_filters:\n          - name: router\n"
                      "            typed_config:\n              '@type': "
                      "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\n")
    program = ("import sys; from gmosn.cli import main; code = main(sys.argv[1:]); "
               "print(code, [m for m in ['gevent', 'yaml', 'hashlib', 'logging', 'uuid', "
               "'google.protobuf.json_format', 'gmosn.server.supervisor'] if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", program, "-c", str(config), "--mode", "validate"],
                          capture_output=True, text=True, timeout=30 * SCALE)
    assert done.stdout.endswith("\n0 []\n"), done.stderr

import pytest

from gmosn.cli import parse
from gmosn.errors import ConfigError, ConfigErrors
from gmosn.extensions import HTTP, NETWORK, extension_table
from gmosn.observe.log import Logs
from gmosn.server.validate import tell_errors, without_disabled

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

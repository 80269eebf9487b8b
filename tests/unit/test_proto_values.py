"""Durations and data sources of configuration messages."""
import pytest

from gmosn.config.descriptors import message_class
from gmosn.errors import ConfigError
from gmosn.proto_values import duration_us, read_data_source

CLUSTER = message_class("envoy.config.cluster.v3.Cluster")
SOURCE = message_class("envoy.config.core.v3.DataSource")


def test_duration():
    cluster = CLUSTER()
    assert duration_us(cluster, "connect_timeout", 7) == 7
    cluster.connect_timeout.seconds, cluster.connect_timeout.nanos = 1, 250_000_999
    assert duration_us(cluster, "connect_timeout") == 1_250_000


def test_data_source(tmp_path, monkeypatch):
    monkeypatch.setenv("GMOSN_TEST_VALUE", "from the environment")
    (tmp_path / "file").write_bytes(b"\xff in a file")
    assert read_data_source(SOURCE(inline_bytes=b"\xff")) == b"\xff"
    assert read_data_source(SOURCE(inline_string="text")) == b"text"
    assert read_data_source(SOURCE(environment_variable="GMOSN_TEST_VALUE")) == b"from the environment"
    assert read_data_source(SOURCE(filename=str(tmp_path / "file"))) == b"\xff in a file"


@pytest.mark.parametrize("source,words,path", [
    (dict(filename="/nonexistent"), "no file /nonexistent", ("filename",)),
    (dict(environment_variable="GMOSN_NOT_SET"), "Environment variable doesn't exist: GMOSN_NOT_SET",
     ("environment_variable",)),
    (dict(), "Unexpected DataSource::specifier_case(): 0", ())])
def test_unreadable(source, words, path):
    with pytest.raises(ConfigError) as caught:
        read_data_source(SOURCE(**source), "no file {path}")
    assert (caught.value.message, caught.value.path) == (words, path)

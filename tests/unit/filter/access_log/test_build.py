"""Access logs from their protos."""
import pytest
from google.protobuf import json_format

from gmosn.config.descriptors import message_class, pool
from gmosn.config.unpack import unpack
from gmosn.errors import ConfigErrors
from gmosn.extensions import TABLE
from gmosn.filter.access_log.build import build_access_logs
from gmosn.filter.access_log.files import AccessLogFiles
from gmosn.observe.stats import Segment, Stats
from gmosn.registry import ExtensionRegistry, FactoryContext
from tests.helpers.streams import http_info

LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers"
FILE, STDOUT, STDERR = f"{LOGGERS}.file.v3.FileAccessLog", f"{LOGGERS}.stream.v3.StdoutAccessLog", \
    f"{LOGGERS}.stream.v3.StderrAccessLog"


@pytest.fixture
def context():
    stats = Stats(Segment.local())
    made = FactoryContext(extensions=ExtensionRegistry(TABLE), stats=stats, unpack=unpack,
                          access_logs=AccessLogFiles(stats))
    yield made
    made.access_logs.close()


def protos(*configs):
    cls = message_class("envoy.config.accesslog.v3.AccessLog")
    return [json_format.ParseDict(config, cls(), descriptor_pool=pool()) for config in configs]


def file_log(path, filter=None, **config):
    log = {"name": "f", "typed_config": {"@type": FILE, "path": str(path), **config}}
    return {**log, "filter": filter} if filter else log


def lines_of(context, *configs, info=None):
    for log in build_access_logs(protos(*configs), context):
        log.log(info or http_info())
    context.access_logs.flush()


@pytest.mark.parametrize("config, line", [
    ({}, b'[2026-11-21T23:40:20.148Z] "GET / HTTP/1.1" 200 - 0 0 7 - "-" "-" "-" "h.test" "127.0.0.1:5678"\n'),
    ({"format": "%RESPONSE_CODE% f\n"}, b"200 f\n"),
    ({"json_format": {"b": "%RESPONSE_CODE%", "a": "1", "n": "%REQ(NO)%"}}, b'{"a":"1","b":200,"n":null}\n'),
    ({"typed_json_format": {"b": "%RESPONSE_CODE%", "a": 1}}, b'{"a":1,"b":200}\n'),
    ({"log_format": {"text_format_source": {"inline_string": "%PROTOCOL%\n"}}}, b"HTTP/1.1\n"),
])
def test_file_formats(context, tmp_path, config, line):
    lines_of(context, file_log(tmp_path / "log", **config))
    assert (tmp_path / "log").read_bytes() == line


def test_logs_with_one_path_share_the_file_and_keep_their_order(context, tmp_path):
    one, two = (file_log(tmp_path / "log", format=text) for text in ("1\n", "2\n"))
    lines_of(context, one, two, one)
    assert (tmp_path / "log").read_bytes() == b"1\n2\n1\n"


def test_filters(context, tmp_path):
    only_errors = {"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 500, "runtime_key": "k"}}}}
    lines_of(context, file_log(tmp_path / "log", format="all\n"), file_log(tmp_path / "log", only_errors, format="bad\n"))
    assert (tmp_path / "log").read_bytes() == b"all\n"


def test_standard_streams(context, capfd):
    lines_of(context, {"name": "o", "typed_config": {"@type": STDOUT}},
             {"name": "e", "typed_config": {"@type": STDERR, "log_format": {
                 "text_format_source": {"inline_string": "%PROTOCOL%\n"}}}})
    out, err = capfd.readouterr()
    assert out.startswith('[2026-11-21T23:40:20.148Z] "GET / HTTP/1.1"') and err == "HTTP/1.1\n"


def test_every_error_is_told_with_its_place(context, tmp_path):
    bad = [file_log(tmp_path / "log"), file_log(tmp_path / "log", format="%NOPE%"), file_log(tmp_path / "no" / "log"),
           file_log(tmp_path / "log", {"extension_filter": {"name": "x"}}),
           {"name": "o", "typed_config": {"@type": STDOUT, "log_format": {"json_format": {"a": "%REQ%"}}}}]
    with pytest.raises(ConfigErrors) as caught:
        build_access_logs(protos(*bad), context)
    assert [(error.path, error.message) for error in caught.value.errors] == [
        ((1, "typed_config", "format"), "Not supported field in StreamInfo: NOPE"),
        ((2, "typed_config", "path"), f"unable to open file '{tmp_path}/no/log': No such file or directory"),
        ((3, "filter", "extension_filter"), "extension_filter is not implemented"),
        ((4, "typed_config", "log_format", "json_format", "a"), "REQ requires parameters"),
    ]

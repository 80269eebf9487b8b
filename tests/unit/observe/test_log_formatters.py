"""Formatters from configuration, text and JSON; the JSON details were taken from a real Envoy 1.40."""
import json

import pytest
from google.protobuf.struct_pb2 import Struct

from gmosn.config.descriptors import message_class
from gmosn.errors import ConfigError
from gmosn.observe.access_log import LogSink, WriterLog
from gmosn.observe.log_formatters import formatter_from_proto, json_formatter, text_formatter
from gmosn.observe.stats import Segment, Stats
from tests.helpers.streams import http_info, request_head

FORMAT = "envoy.config.core.v3.SubstitutionFormatString"


def struct(value):
    made = Struct()
    made.update(value)
    return made


def test_default_format_is_envoys():
    info = http_info(request_head(b"POST", b"/a/b", b"h.test:1", [(b"user-agent", b"ua"), (b"x-request-id", b"rid")]))
    assert text_formatter().format(info) == (
        b'[2026-11-21T23:40:20.148Z] "POST /a/b HTTP/1.1" 200 - 0 0 7 - "-" "ua" "rid" "h.test:1" "127.0.0.1:5678"\n')


def test_json_is_typed_and_sorted():
    info = http_info(request_head(headers=[(b"x-w", b"\xc3\xa9\"\\q~\tz/")]))
    shape = {"w": "%REQ(X-W)%", "mw": "a\"\u00e9 %REQ(X-W)% %REQ(NO)%", "mm": "%REQ(NO)%%REQ(NO2)%", "m2": "%REQ(NO)%x",
             "n": {"e": "%REQ(NO)%"}, "l": ["%REQ(NO)%", {"e": "%REQ(NO)%"}, []], "c\u00e9\"": "\u00e9\"\n",
             "two": "%PROTOCOL%%RESPONSE_CODE%", "i": -5, "empty": "", "es": {}, "p": "100%%", "t": True, "u": None,
             "code": "%RESPONSE_CODE%", "port": "%UPSTREAM_LOCAL_PORT%", "AA": "const", "f": 1.5}
    assert json_formatter(struct(shape)).format(info).decode() == (
        '{"AA":"const","code":200,"c\u00e9\\"":"\u00e9\\"\\n","empty":"","es":{},"f":1.5,"i":-5,"l":[null,{"e":null},[]],'
        '"m2":"-x","mm":"--","mw":"a\\"\u00e9 \u00e9\\"\\\\q~\\tz/ -","n":{"e":null},"p":"100%","port":57770,"t":true,'
        '"two":"HTTP/1.1200","u":null,"w":"\u00e9\\"\\\\q~\\tz/"}\n')
    assert json_formatter(struct(shape), omit=True).format(info).decode() == (
        '{"AA":"const","code":200,"c\u00e9\\"":"\u00e9\\"\\n","empty":"","f":1.5,"i":-5,"l":[[]],"m2":"x","mm":"",'
        '"mw":"a\\"\u00e9 \u00e9\\"\\\\q~\\tz/ ","p":"100%","port":57770,"t":true,"two":"HTTP/1.1200",'
        '"w":"\u00e9\\"\\\\q~\\tz/"}\n')


def test_json_of_what_is_not_text():
    info = http_info(request_head(headers=[(b"x-w", b"\xff\"\\\t\xc3\xa9/<>&\x7f")]))
    line = json_formatter(struct({"w": "%REQ(X-W)%"})).format(info)
    assert line == b'{"w":"\\u00ff\\u0022\\u005c\\u0009\\u00c3\\u00a9/<>&\\u007f"}\n'
    assert json.loads(line)["w"] == "\xff\"\\\t\xc3\xa9/<>&\x7f"


def test_json_of_nothing():
    assert json_formatter(struct({})).format(http_info()) == b"{}\n"
    assert json_formatter(struct({"a": "%REQ(NO)%"}), omit=True).format(http_info()) == b"{}\n"


def test_json_of_metadata_is_structured():
    info = http_info(metadata={"ns": {"a": {"b": [1, "x"]}}}, filter_state={"k": "v"})
    shape = {"m": "%DYNAMIC_METADATA(ns:a)%", "s": "%FILTER_STATE(k)%", "p": "%FILTER_STATE(k:PLAIN)%", "g": "%GRPC_STATUS(NUMBER)%"}
    assert json_formatter(struct(shape)).format(info) == b'{"g":null,"m":{"b":[1,"x"]},"p":"v","s":"v"}\n'


def format_string(**fields):
    proto = message_class(FORMAT)()
    for name, value in fields.items():
        if name == "json_format":
            proto.json_format.update(value)
        elif name == "text_format_source":
            for specifier, text in value.items():
                setattr(proto.text_format_source, specifier, text)
        else:
            setattr(proto, name, value)
    return proto


def test_every_source_of_text(tmp_path, monkeypatch):
    (tmp_path / "format").write_text("file %PROTOCOL%\n")
    monkeypatch.setenv("GMOSN_TEST_FORMAT", "env %PROTOCOL%")
    for proto, expected in (
            (format_string(text_format="old %PROTOCOL%"), b"old HTTP/1.1"),
            (format_string(text_format_source={"inline_string": "new %PROTOCOL%"}), b"new HTTP/1.1"),
            (format_string(text_format_source={"inline_bytes": b"bytes %PROTOCOL%"}), b"bytes HTTP/1.1"),
            (format_string(text_format_source={"filename": str(tmp_path / "format")}), b"file HTTP/1.1\n"),
            (format_string(text_format_source={"environment_variable": "GMOSN_TEST_FORMAT"}), b"env HTTP/1.1"),
            (format_string(text_format="[%REQ(NO)%]", omit_empty_values=True), b"[]"),
            (format_string(json_format={"a": "%REQ(NO)%", "b": "%PROTOCOL%"}, omit_empty_values=True),
             b'{"b":"HTTP/1.1"}\n')):
        assert formatter_from_proto(proto).format(http_info()) == expected


@pytest.mark.parametrize("fields, path, message", [
    (dict(text_format="%NOPE%"), ("text_format",), "Not supported field in StreamInfo: NOPE"),
    (dict(json_format={"a": [1, {"b": "%NOPE%"}]}), ("json_format", "a", 1, "b"), "Not supported field in StreamInfo: NOPE"),
    (dict(text_format_source={"environment_variable": "GMOSN_NOT_SET"}), ("text_format_source", "environment_variable"),
     "Environment variable doesn't exist: GMOSN_NOT_SET"),
    (dict(text_format_source={"filename": "/nonexistent"}), ("text_format_source", "filename"),
     "Invalid path: /nonexistent (No such file or directory)"),
    (dict(), (), 'field: "format", reason: is required'),
])
def test_errors_say_where(fields, path, message):
    with pytest.raises(ConfigError) as caught:
        formatter_from_proto(format_string(**fields))
    assert (caught.value.path, caught.value.message) == (path, message)


def test_a_log_writes_what_meets_its_condition():
    class Sink(LogSink):
        fulls = 0

        def full(self):
            self.fulls += 1

    class Errors:
        def matches(self, info):
            return info.status >= 400
    stats = Stats(Segment.local())
    sink = Sink(10, stats.counter("c"), stats.gauge("g"))
    log = WriterLog(text_formatter("%RESPONSE_CODE%\n"), sink)
    log.log(http_info())
    log.condition = Errors()
    log.log(http_info())
    assert (sink.lines, sink.size, sink.fulls) == ([b"200\n"], 4, 0)
    log.log(http_info(status=500))
    log.log(http_info(status=404))
    assert (sink.buffered.value(), sink.total_buffered.value()) == (3, 12)
    assert (sink.lines, sink.fulls) == ([b"200\n", b"500\n", b"404\n"], 1)

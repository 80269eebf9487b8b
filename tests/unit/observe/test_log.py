import os
import re
import time

import pytest

from gmosn.observe import log
from gmosn.observe.log import COMPONENTS, DEBUG, INFO, OFF, WARNING, Logs, Pattern, c_escape, parse_component_levels, parse_level

# 2026-11-05 23:09:09.123456789 UTC
SECONDS = 1793920149.1234567


@pytest.fixture
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def formatted(pattern, message="text", level=INFO, name="main", frame=None, now=SECONDS):
    return Pattern(pattern).format(name, level, message, now, frame)


# The right side was seen from Envoy 1.40 (with its own clock) for every code.
@pytest.mark.parametrize("pattern, line", [
    ("%v", "text"), ("%n", "main"), ("%l", "info"), ("%L", "I"), ("%%", "%"), ("%^%v%$", "text"),
    ("%Y-%m-%d", "2026-11-05"), ("%T", "23:09:09"), ("%X", "23:09:09"), ("%R", "23:09"), ("%r", "11:09:09 PM"),
    ("%D", "11/05/26"), ("%x", "11/05/26"), ("%C", "26"), ("%H %M %S %I %p", "23 09 09 11 PM"),
    ("%a %A %b %B %h", "Thu Thursday Nov November Nov"), ("%c", "Thu Nov 5 23:09:09 2026"), ("%F", "2026"),
    ("%E", "1793920149"), ("%z", "+00:00"), ("%q", "%q"), ("%k|", "%k|"), ("a%", "a"), ("", ""), ("no codes", "no codes"),
    ("%8l|%-8l|%=9l|%3!l|%2l", "    info|info    |  info   |inf|info"), ("%-", ""), ("%_", "text"), ("%j", "text"),
    ("%o %u %i %O", "0 0 0 0"),
])
def test_patterns(utc, pattern, line):
    if pattern == "%F":
        assert len(formatted(pattern)) == 9
    else:
        assert formatted(pattern) == line


def test_fractions(utc):
    assert formatted("%e %f") == "123 123456"
    assert formatted("%e", now=5.0004) == "000"


def test_process_and_location():
    def here():
        import sys
        return sys._getframe()
    frame = here()
    assert formatted("%t %P") == f"{os.getpid()} {os.getpid()}"
    assert formatted("%s:%# %!", frame=frame) == f"test_log.py:{frame.f_lineno} here"
    assert formatted("%g", frame=None) == ""


def test_message_variants():
    assert formatted("%_", 'a\nb"') == 'a\\nb"'
    assert formatted('{"m":"%j"}', 'a\nb"') == '{"m":"a\\nb\\""}'


def test_elapsed_since_the_line_before():
    pattern = Pattern("%o")
    pattern.format("main", INFO, "", 10.0, None)
    assert pattern.format("main", INFO, "", 10.25, None) == "250"


def test_own_source_paths_start_at_the_package():
    code = compile("import sys; frame = sys._getframe()", "/somewhere/site-packages/gmosn/server/control.py", "exec")
    names = {}
    exec(code, names)
    assert formatted("[%g:%#]", frame=names["frame"]) == "[gmosn/server/control.py:1]"


@pytest.fixture
def lines(tmp_path):
    def read():
        return (tmp_path / "log").read_text().splitlines()
    read.path = str(tmp_path / "log")
    return read


def test_levels_and_arguments(lines):
    logs = Logs(WARNING, {"upstream": DEBUG}, "%l %n %v", path=lines.path)
    logs.get("main").info("not %s", "written")
    logs.get("main").warning("100 % as it is")
    logs.get("main").error("%s=%d", "a", 1)
    logs.get("upstream").debug("deep")
    logs.get("upstream").trace("deeper")
    assert lines() == ["warning main 100 % as it is", "error main a=1", "debug upstream deep"]


def test_every_level_has_its_method(lines):
    logger = Logs(log.TRACE, pattern="%l", path=lines.path).get("main")
    for method in log.LEVEL_NAMES[:-1]:
        getattr(logger, method)("x")
    assert lines() == list(log.LEVEL_NAMES[:-1])


def test_levels_change_while_running(lines):
    logs = Logs(OFF, pattern="%n", path=lines.path)
    logs.get("http").critical("no")
    logs.set_component_level("http", INFO)
    logs.get("http").info("yes")
    logs.set_level(INFO)
    logs.get("main").info("yes")
    assert lines() == ["http", "main"]
    assert logs.levels()["http"] == INFO and list(logs.levels()) == list(COMPONENTS)
    with pytest.raises(KeyError):
        logs.set_component_level("nope", INFO)


def test_default_format_names_the_caller(lines):
    Logs(path=lines.path).get("main").info("hello")
    (line,) = lines()
    assert re.fullmatch(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]\[\d+\]\[info\]\[main\] \[\S*test_log\.py:\d+\] hello", line)


def test_escaped_lines_keep_white_space_at_their_end(lines):
    Logs(INFO, pattern="%v  ", escaped=True, path=lines.path).get("main").info('a\n"b"\t\x01é')
    assert lines() == ['a\\n\\"b\\"\\t\\001\\303\\251  ']
    assert c_escape("it's \\ \r x \n") == "it\\'s \\\\ \\r x \n"


def test_reopen_follows_a_renamed_file(lines, tmp_path):
    logs = Logs(pattern="%v", path=lines.path)
    logs.get("main").info("one")
    os.rename(lines.path, tmp_path / "old")
    logs.get("main").info("two")
    logs.reopen()
    logs.get("main").info("three")
    assert (tmp_path / "old").read_text() == "one\ntwo\n"
    assert lines() == ["three"]


def test_reopen_that_fails_keeps_the_old_file(lines, tmp_path):
    logs = Logs(pattern="%v", path=lines.path)
    logs.path = str(tmp_path / "missing" / "log")
    logs.reopen()
    logs.get("main").info("still here")
    assert lines()[-1] == "still here" and "cannot reopen" in lines()[0]


def test_a_log_that_cannot_be_written_is_no_error():
    logs = Logs(path="/dev/full")
    assert logs.get("main").info("lost") is None


def test_a_file_that_cannot_be_opened_is():
    with pytest.raises(OSError):
        Logs(path="/nonexistent/x.log")


def test_parse_levels():
    assert parse_level("warn") == parse_level("warning") == WARNING
    assert parse_component_levels("upstream:debug,config:trace") == {"upstream": 1, "config": 0}
    assert parse_component_levels("") == {}
    for text in ("foo:debug", "main", "main:x", "main:info:x", ",", "main:info,"):
        with pytest.raises(ValueError, match="^error: "):
            parse_component_levels(text)


def test_components_are_envoys():
    assert len(COMPONENTS) == len(set(COMPONENTS)) == 73

"""Log files: buffering, flushing, full disks, rotation."""
import os
from types import SimpleNamespace

import gevent
import pytest

from gmosn.filter.access_log import files as module
from gmosn.filter.access_log.files import AccessLogFiles, LogFile
from gmosn.observe.stats import Segment, Stats
from tests.helpers.timing import eventually


@pytest.fixture
def logs():
    made = AccessLogFiles(Stats(Segment.local()), flush_interval_s=0.05, min_flush_bytes=100)
    yield made
    made.close()


@pytest.fixture
def flusher(logs):
    greenlet = gevent.spawn(logs.flush_forever)
    eventually(lambda: gevent.idle() or logs.running)
    yield greenlet
    greenlet.kill()


def count(logs, name):
    return getattr(logs.counts, name).value()


def grown(path, size):
    gevent.idle()
    return os.path.getsize(path) >= size and path.read_bytes()


def test_a_path_is_opened_once(logs, tmp_path):
    first = logs.open(str(tmp_path / "a"))
    assert logs.open(str(tmp_path / "a")) is first
    assert logs.open(str(tmp_path / "b")) is not first
    with pytest.raises(OSError):
        logs.open(str(tmp_path / "no" / "c"))


def test_validating_makes_no_file(logs, tmp_path):
    logs.open(str(tmp_path / "a"), validating=True)
    assert os.listdir(tmp_path) == []
    (tmp_path / "b").touch()
    logs.open(str(tmp_path / "b"), validating=True)
    with pytest.raises(OSError):
        logs.open(str(tmp_path / "no" / "c"), validating=True)
    with pytest.raises(OSError):
        logs.open(str(tmp_path), validating=True)
    assert logs.files == {}


def test_without_a_flusher_a_full_buffer_is_written_at_once(logs, tmp_path):
    file = logs.open(str(tmp_path / "a"))
    file.write(b"x" * 60)
    assert (tmp_path / "a").read_bytes() == b""
    file.write(b"y" * 60)
    assert (tmp_path / "a").read_bytes() == b"x" * 60 + b"y" * 60
    assert count(logs, "buffered") == 2 and count(logs, "completed") == 1 and count(logs, "total_buffered") == 0


def test_the_flusher_writes_by_time_and_by_size(logs, flusher, tmp_path):
    path = tmp_path / "a"
    file = logs.open(str(path))
    file.write(b"one\n")
    assert eventually(lambda: grown(path, 4)) == b"one\n"
    assert count(logs, "by_timer") >= 1
    logs.flush_interval_s = 1000
    gevent.idle()
    file.write(b"z" * 200)
    assert eventually(lambda: grown(path, 204)) == b"one\n" + b"z" * 200


def test_the_end_writes_everything(logs, tmp_path):
    file = logs.open(str(tmp_path / "a"))
    file.write(b"last")
    logs.close()
    logs.close()
    assert (tmp_path / "a").read_bytes() == b"last" and file.fd == -1


def test_a_full_disk_loses_lines_and_counts_them(logs):
    file = logs.open("/dev/full")
    for _ in range(10):
        file.write(b"x" * 100)
    assert count(logs, "failed") == 10 and count(logs, "completed") == 0
    assert file.size == 0 and file.lines == [] and count(logs, "total_buffered") == 0


def test_memory_is_bounded_when_the_disk_is_slow(logs, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_BUFFERED_BYTES", 1000)
    file = logs.open(str(tmp_path / "a"))
    file.writing = True                                    # a write that does not come back
    for _ in range(100):
        file.write(b"x" * 90)
        assert file.size <= 1000
    assert count(logs, "failed") == 96                     # lines: eight times a buffer of twelve
    file.writing = False
    file.flush(module.call)
    assert os.path.getsize(tmp_path / "a") % 90 == 0       # whole lines only


def test_a_slow_disk_does_not_hold_up_the_hub(logs, flusher, tmp_path, monkeypatch):
    reader, writer = os.pipe()
    os.write(writer, b"p" * 65536)                         # the pipe is full: the next write blocks its thread
    monkeypatch.setattr(module, "open_append", lambda path: os.dup(writer))
    file = logs.open("pipe")
    file.write(b"line\n" * 20)
    eventually(lambda: gevent.idle() or file.writing)
    gevent.idle()                                          # would hang here
    file.write(b"more\n")
    assert os.read(reader, 65536) == b"p" * 65536
    eventually(lambda: gevent.idle() or not file.writing)
    assert os.read(reader, 100) == b"line\n" * 20
    os.close(reader)
    os.close(writer)


def test_reopen_follows_a_rename(logs, tmp_path):
    path = tmp_path / "a"
    file = logs.open(str(path))
    file.write(b"old\n")
    path.rename(tmp_path / "a.1")
    logs.reopen()
    file.write(b"new\n")
    logs.flush()
    assert b"old\n" in (tmp_path / "a.1").read_bytes() + path.read_bytes()
    assert path.read_bytes().endswith(b"new\n")


def test_reopen_that_fails_keeps_the_old_file(logs, tmp_path):
    (tmp_path / "d").mkdir()
    path = tmp_path / "d" / "a"
    file = logs.open(str(path))
    (tmp_path / "d").rename(tmp_path / "e")
    logs.reopen()
    file.write(b"x")
    logs.flush()
    assert count(logs, "reopen_failed") == 1 and (tmp_path / "e" / "a").read_bytes() == b"x"


def test_big_buffers_are_written_in_pieces(logs, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_WRITE_BYTES", 250)
    file = LogFile(str(tmp_path / "a"), 1 << 20, logs.counts, logs._wake)
    file.open()
    for n in range(10):
        file.write(b"%d" % n * 100)
    file.flush(module.call)
    file.close()
    assert count(logs, "completed") == 4 and count(logs, "buffered") == 10 and os.path.getsize(tmp_path / "a") == 1000


def test_options():
    options = SimpleNamespace(file_flush_interval_msec=250, file_flush_min_size_kb=2)
    made = AccessLogFiles.from_options(options, Stats(Segment.local()))
    assert (made.flush_interval_s, made.min_flush_bytes) == (0.25, 2048)

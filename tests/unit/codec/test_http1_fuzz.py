"""A short, deterministic run of fuzz/fuzz_http1.py (`make fuzz` runs it for long), and what it once found."""
import pytest

from fuzz.fuzz_http1 import check, compare, run
from fuzz.mutations import seeds
from gmosn.codec.http1 import Http1Settings
from tests.helpers.codec_check import settings, transcript


def test_fuzz_against_the_oracles():
    assert run(3000, seed=1) == 3000


@pytest.mark.parametrize("name, data", seeds("http1"))
def test_corpus_unchanged(name, data):
    check(name.startswith("request"), data, [data], False, Http1Settings())
    check(name.startswith("request"), data, [data[:7], data[7:]], True, Http1Settings())


def test_a_request_line_of_white_space():
    got = transcript(True, [b"\t\nGET / HTTP/1.1\r\n\r\n"], made_settings=settings(strict=False))
    assert got == [("error", 400, "http1.codec_error")]


def test_white_space_before_the_method_whole_or_in_pieces():
    wire = b" GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    for pieces in ([wire], [wire[:1], wire[1:]]):
        assert transcript(True, pieces, made_settings=settings(strict=False)) == [("error", 400, "http1.codec_error")]


def test_the_comparison_can_fail():
    from fuzz.fuzz_http1 import Outcome
    one, two = Outcome(), Outcome()
    one.messages, two.messages = [((b"GET", b"/"), b"a", None)], [((b"GET", b"/"), b"b")]
    with pytest.raises(AssertionError):
        compare("x", one, two)
    two.messages = []
    with pytest.raises(AssertionError):
        compare("x", one, two)

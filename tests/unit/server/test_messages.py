import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmosn.server import messages
from gmosn.server.messages import Ack, Assignment, Bind, LogLevels, Message, MessageError, Start, decode, encode


def test_fields_by_position_name_and_default():
    start = Start(2, 4, started_us=5)
    assert (start.index, start.concurrency, start.started_us, start.lives, start.fds) == (2, 4, 5, 0, [])
    assert repr(start) == ("Start(index=2, concurrency=4, started_us=5, lives=0, supervisor_pid=0, base_id=0, health_failed=False, "
                           "log_levels=None)")


@pytest.mark.parametrize("make", [lambda: Start(1), lambda: Ack(1, 2), lambda: Ack(nothing=1), lambda: Ack()])
def test_wrong_fields_are_refused(make):
    with pytest.raises(TypeError):
        make()


def test_every_type_survives_with_its_defaults():
    for cls in Message.TYPES:
        message = cls(**{name: 1 for name in cls.FIELDS if not hasattr(cls, name)})
        assert decode(encode(message)) == message


def test_two_types_with_equal_fields_differ():
    assert encode(messages.Drain(1)) != encode(messages.Ack(1))
    assert messages.Drain(1) != messages.Ack(1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2 ** 63, 2 ** 63 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=20)


@given(st.lists(VALUES, max_size=4))
def test_any_value_survives(values):
    assert decode(encode(Bind(values))).plans == values


def test_nested_lists_keep_their_types():
    assert decode(encode(LogLevels({"main": 1, "x": [True, None, b"b", "s"]}))).levels == {
        "main": 1, "x": [True, None, b"b", "s"]}


def test_text_that_is_not_utf8_survives():
    assert decode(encode(messages.Nack(1, "path \udcff"))).error == "path \udcff"


def test_unknown_values_are_refused():
    with pytest.raises(TypeError, match="cannot hold float"):
        encode(Ack(1.5))


@given(st.binary(max_size=64))
def test_garbage_raises_message_error_only(data):
    try:
        decode(data)
    except MessageError:
        pass


@given(st.data())
def test_damage_raises_message_error_only(data):
    wire = bytearray(encode(Assignment("a cluster", b"payload" * 3)))
    cut = data.draw(st.integers(0, len(wire)))
    place = data.draw(st.integers(0, len(wire) - 1))
    wire[place] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(wire[:cut]))
    except MessageError:
        pass


def test_bytes_too_many_are_refused():
    with pytest.raises(MessageError, match="1 bytes too many"):
        decode(encode(Ack(1)) + b"x")


def test_deep_nesting_is_refused():
    with pytest.raises(MessageError):
        decode(bytes((Bind.type_number,)) + b"l\x01\x00\x00\x00" * 100 + b"n")

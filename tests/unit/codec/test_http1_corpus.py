"""The hostile corpus, as far as a codec alone can decide a case: what must be refused is refused, what must pass passes."""
import base64
import json

import pytest

from gmosn.codec import http1_state
from gmosn.codec.http1 import Http1Codec
from gmosn.errors import RemoteProtocolError
from tests.helpers.codec_check import Driver, settings
from tests.helpers.fixtures import shared_fixtures

# decided above the codec: a tunnel that no route allows, a timeout, a half-close, a reset, who asked for an upgrade
NOT_CODEC = {"Q221", "Q269", "P034", "P071", "P075", "P076", "P078", "P079"}


@pytest.fixture(scope="module")
def cases():
    return json.loads(shared_fixtures("hostile", "http1.json").read_text())["cases"]


def drive(is_server, data, eof, made, methods=()):
    driver = Driver(is_server, made, methods)
    for at in range(0, len(data), 65536):
        driver.feed(data[at:at + 65536])
    if eof:
        driver.feed(b"")
    return driver.finish()


def request_verdict(case):
    """None when the codec does what the corpus expects, else a text."""
    data = b"".join(base64.b64decode(segment["b64"]) * segment["repeat"] for segment in case["segments"])
    made = settings(underscores=1 if case["listener"] == "edge" else 0)
    out = drive(True, data, case["half_close"], made)
    heads = sum(entry[0] == "head" for entry in out)
    error = out[-1] if out and out[-1][0] == "error" else None
    action = case["expect"]["action"]
    if action == "forward":
        wanted = case["expect"]["n"]
        return None if error is None and heads == wanted else f"{heads} messages, {error}"
    if action == "reject":
        if error is None or heads > (1 if case["expect"].get("head_may_pass") else 0):
            return f"{heads} messages, {error}"
        return None if error[1] in case["expect"]["status"] else f"status {error[1]}"
    if action == "hold":
        complete = any(entry[0] == "body" for entry in out)
        return "complete" if complete else None
    if error is not None and error[1] not in (400, 404, 413, 426, 431, 501):
        return f"status {error[1]}"
    return None


def response_verdict(case):
    data, closed = b"", False
    for step in case["upstream"]:
        if step["op"] == "send":
            data += base64.b64decode(step["b64"]) * step["repeat"]
        closed = closed or step["op"] in ("close", "half")
    method = base64.b64decode(case["segments"][0]["b64"]).split(b" ")[0]
    out = drive(False, data, closed, settings(), [method])
    statuses = [dict(entry[1:])["status"] for entry in out if entry[0] == "head"]
    final = [status for status in statuses if status >= 200]
    error, body = out and out[-1][0] == "error", any(entry[0] == "body" for entry in out)
    expect = case["expect"]
    if expect["action"] == "forward":
        return None if final and final[0] in expect["status"] and (not error or len(final) > 0) else f"{statuses} {error}"
    if expect["action"] == "reject":
        return None if error and not final else f"{statuses} {error}"
    if expect["action"] == "truncated":
        return None if not body else "complete"
    return None


def test_every_case(cases):
    wrong = {}
    for case in cases:
        if case["id"] not in NOT_CODEC:
            verdict = request_verdict(case) if case["kind"] == "request" else response_verdict(case)
            if verdict:
                wrong[f"{case['id']} {case['name']}"] = verdict
    assert wrong == {} and len(cases) >= 323


def test_only_steps_of_the_table_are_taken(cases):
    """http1_state.py is the truth: every change of state during the corpus is in its table."""
    seen = set()
    for case in cases:
        data = b"".join(base64.b64decode(segment["b64"]) * min(segment["repeat"], 100) for segment in case["segments"])
        steps_of(Http1Codec(True, settings(enable_trailers=True)), data[:4000], seen)
        if case["kind"] == "response":
            sent = b"".join(base64.b64decode(step["b64"]) * min(step["repeat"], 20) for step in case["upstream"]
                            if step["op"] == "send")
            steps_of(Http1Codec(False, settings()), sent[:4000], seen)
    allowed = {(state, after) for state, steps in http1_state.TRANSITIONS.items() for after in steps}
    names = http1_state.NAMES
    unexpected = {(names[a], names[b]) for a, b in seen if a != b and (a, b) not in reachable(allowed)}
    assert unexpected == set()
    assert {after for _, after in seen} == set(http1_state.TRANSITIONS)


def reachable(allowed):
    """Pairs that several allowed steps in a row lead through: one call may read more than one thing."""
    pairs = set(allowed)
    while True:
        more = {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs
        if not more:
            return pairs
        pairs |= more


def steps_of(codec, data, seen):
    """Feeds byte by byte, so that most calls take one step, and notes (before, after)."""
    try:
        for at in [*range(len(data)), None]:
            codec.feed(data[at:at + 1] if at is not None else b"")
            while True:
                before = codec.state
                if before == http1_state.HEAD:
                    head = codec.next_request() if codec.is_server else codec.next_response()
                    seen.add((before, codec.state))
                    if head is None:
                        break
                else:
                    piece = codec.next_data()
                    seen.add((before, codec.state))
                    if not piece:
                        break
    except RemoteProtocolError:
        seen.add((before, codec.state))

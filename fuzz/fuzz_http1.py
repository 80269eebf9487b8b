"""Whatever bytes arrive, in whatever pieces: only RemoteProtocolError is raised, the pieces do not matter, and every message
that gmosn and an oracle (h11, httptools) both accept has the same framing in both.

`python -m fuzz.fuzz_http1 --runs 100000 --seed 1`, or `--seconds 60`. A failing input is printed with its seed.
"""
import argparse
import random
import sys
import time

import h11
import httptools

from fuzz.mutations import mutate, pieces, seeds
from gmosn.codec import http1_state
from gmosn.codec.http1 import Http1Codec, Http1Settings, encode_chunk, encode_last_chunk, encode_request
from gmosn.errors import RemoteProtocolError


class Outcome:
    """What a parser made of some bytes. `messages`: (start, body) of complete ones; `stopped`: why nothing follows them
    ("error", "switch", "close", "more")."""

    def __init__(self):
        self.messages = []
        self.stopped = "more"


def by_gmosn(is_server, parts, eof, settings):
    outcome, codec = Outcome(), Http1Codec(is_server, settings)
    current = None
    try:
        for part in [*parts, *([b""] if eof else [])]:
            codec.feed(part)
            while True:
                if current is None:
                    head = codec.next_request() if is_server else codec.next_response()
                    if head is None:
                        break
                    start = request_start(head) if is_server else head.status
                    current = [start, b"", head]
                data = codec.next_data() if current[2].has_body else b""
                if data is None:
                    break
                if data:
                    current[1] += data
                    continue
                outcome.messages.append(tuple(current))
                current = None
    except RemoteProtocolError:
        outcome.stopped = "error"
    else:
        if codec.state == http1_state.TUNNEL:
            outcome.stopped = "switch"
    return outcome


def request_start(head):
    if head.path is None:
        return head.method, head.authority
    return head.method, head.path


def target_start(method, target):
    """The oracle's raw target as request_start sees it."""
    if method != b"CONNECT" and b"://" in target and not target.startswith(b"/"):
        rest = target.partition(b"://")[2]
        cut = min([n for n in (rest.find(b"/"), rest.find(b"?")) if n >= 0] or [len(rest)])
        path = rest[cut:]
        return method, path if path.startswith(b"/") else b"/" + path
    return method, target


def by_h11(is_server, data, eof):
    outcome = Outcome()
    conn = h11.Connection(h11.SERVER if is_server else h11.CLIENT, max_incomplete_event_size=1 << 20)
    if not is_server:
        conn.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        conn.send(h11.EndOfMessage())
    current = None
    try:
        conn.receive_data(data)
        if eof:
            conn.receive_data(b"")
        while True:
            event = conn.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                outcome.stopped = "switch" if event is h11.PAUSED else "more"
                return outcome
            if isinstance(event, h11.Request):
                current = [target_start(event.method, event.target), b""]
            elif isinstance(event, h11.InformationalResponse):
                outcome.messages.append((event.status_code, b""))
                if event.status_code == 101:
                    outcome.stopped = "switch"
                    return outcome
            elif isinstance(event, h11.Response):
                current = [event.status_code, b""]
            elif isinstance(event, h11.Data):
                current[1] += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                outcome.messages.append(tuple(current))
                if not is_server or not h11_again(conn):
                    outcome.stopped = "close"
                    return outcome
    except h11.RemoteProtocolError:
        outcome.stopped = "error"
    return outcome


def h11_again(conn):
    """Answers, so that h11 goes on to the next pipelined request. False: it will not."""
    if conn.their_state is not h11.DONE:
        return False
    conn.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
    conn.send(h11.EndOfMessage())
    if conn.our_state is not h11.DONE:
        return False
    conn.start_next_cycle()
    return True


class Collector:
    """Callbacks of httptools."""

    def __init__(self, is_server):
        self.outcome, self.is_server = Outcome(), is_server
        self.target = self.body = b""

    def on_message_begin(self):
        self.target = self.body = b""

    def on_url(self, data):
        self.target += data

    def on_body(self, data):
        self.body += data

    def on_message_complete(self):
        if self.is_server:
            start = target_start(self.parser.get_method(), self.target)
        else:
            start = self.parser.get_status_code()
        self.outcome.messages.append((start, self.body))


def by_httptools(is_server, data):
    collector = Collector(is_server)
    collector.parser = (httptools.HttpRequestParser if is_server else httptools.HttpResponseParser)(collector)
    try:
        collector.parser.feed_data(data)
    except httptools.HttpParserUpgrade:              # it does not read the body of a request that asks for an upgrade
        collector.outcome.stopped = "switch"
        del collector.outcome.messages[-1:]
    except httptools.HttpParserError:
        collector.outcome.stopped = "error"
    return collector.outcome


def compare(name, ours, oracle):
    """Asserts that the messages which both completed are the same, and as many unless one stopped."""
    for mine, theirs in zip(ours.messages, oracle.messages):
        assert (mine[0], mine[1]) == theirs[:2], f"{name}: {mine[:2]!r} is {theirs!r} there"
    if ours.stopped == oracle.stopped == "more":
        assert len(ours.messages) == len(oracle.messages), f"{name}: {len(ours.messages)} and {len(oracle.messages)} messages"


def encode(head, body):
    framing = 2 if head.chunked else 1 if head.length >= 0 else 0
    return encode_request(head, framing, (encode_chunk(body) if body else b"") + encode_last_chunk(None)
                          if head.chunked else body)


def check_forwarded(ours):
    """What gmosn would send on for an accepted request is accepted by both oracles, with the same framing."""
    for start, body, head in ours.messages:
        wire = encode(head, body)
        for name, outcome in (("h11", by_h11(True, wire, True)), ("httptools", by_httptools(True, wire))):
            if outcome.stopped == "switch" or outcome.stopped == "error" and tolerated(name, head, wire):
                continue
            assert outcome.stopped != "error", f"{name} refuses what would be forwarded: {wire!r}"
            assert [message[:2] for message in outcome.messages] == [(start, body)], f"{name} misreads {wire!r}"


def tolerated(name, head, wire):
    """What the oracle refuses although RFC 9112 allows it."""
    if name == "httptools":          # its list of methods is shorter, its targets and its "upgrade" are stricter
        return True
    return b"\t" in wire or bool(head.path and head.path.translate(None, bytes(range(0x21, 0x7f)))) or any(
        value.startswith((b" ", b"\t")) for _, value in head.items)


def run_one(rng, corpus):
    name, data = rng.choice(corpus)
    is_server = name.startswith("request")
    data = mutate(rng, data, [other for _, other in corpus])
    eof = rng.random() < 0.3
    settings = Http1Settings()
    settings.accept_http_10 = rng.random() < 0.5
    settings.enable_trailers = rng.random() < 0.5
    settings.allow_any_method = rng.random() < 0.3
    settings.underscores = rng.choice((0, 0, 0, 1, 2))
    settings.strict = rng.random() < 0.8
    cut = pieces(rng, data)
    try:
        check(is_server, data, cut, eof, settings)
    except Exception:
        print(f"input: {data!r}\npieces: {cut!r}\neof={eof} server={is_server} strict={settings.strict} "
              f"http_10={settings.accept_http_10}", file=sys.stderr)
        raise


def check(is_server, data, cut, eof, settings):
    ours = by_gmosn(is_server, [data] if data else [], eof, settings)
    split = by_gmosn(is_server, cut, eof, settings)
    assert [m[:2] for m in ours.messages] == [m[:2] for m in split.messages], "the pieces matter"
    assert ours.stopped == split.stopped, f"the pieces matter: {ours.stopped}, {split.stopped}"
    if settings.strict:
        compare("h11", ours, by_h11(is_server, data, eof))
        # httptools cannot be told of the connection's end, and does not strip a tab behind a value (RFC 9110 5.5)
        if (is_server or not eof) and b"\t\r\n" not in data and b"\t\n" not in data:
            compare("httptools", ours, by_httptools(is_server, data))
        if is_server:
            check_forwarded(ours)


def run(runs, seed, seconds=0.0):
    """Returns how many inputs were tried: `runs`, or as many as fit into `seconds`."""
    corpus, rng, done = seeds("http1"), random.Random(seed), 0
    deadline = time.monotonic() + seconds
    while done < runs if not seconds else time.monotonic() < deadline:
        run_one(rng, corpus)
        done += 1
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(f"http1: {run(args.runs, args.seed, args.seconds)} inputs, seed {args.seed}, nothing found")


if __name__ == "__main__":
    main()

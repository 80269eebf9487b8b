"""Deterministic mutations of example messages: the same seed gives the same inputs on every machine."""
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
# Pieces that matter to HTTP/1: put where they do not belong
TOKENS = [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b"\0", b" ", b"\t", b":", b",", b";", b"\x7f", b"\xff", b"0", b"-1", b"+5",
          b"0x", b"ffffffffffffffff", b"9223372036854775808", b"1_0", b"chunked", b"identity", b"gzip, chunked",
          b"Content-Length: 3\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:",
          b"Host: a\r\n", b"Host:\r\n", b"Connection: close\r\n", b"Connection: upgrade, keep-alive\r\n",
          b"Upgrade: websocket\r\n", b"HTTP/1.1", b"HTTP/1.0", b"http://a/", b"GET / HTTP/1.1\r\n", b"0\r\n\r\n", b"5\r\n",
          b"X_Y: z\r\n", b" folded\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 x\r\n", b"#",
          b"?", b"@"]


def seeds(name):
    """The corpus of one target: (file name, bytes), sorted."""
    return [(path.name, path.read_bytes()) for path in sorted((CORPUS / name).glob("*.bin"))]


def mutate(rng, data, others):
    """`data` after one to eight random changes. `others`: messages that may be spliced in."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(7)
        if kind == 0:
            data[at:at] = rng.choice(TOKENS)
        elif kind == 1:
            data[at:at + rng.choice((1, 1, 2, 5, 20))] = b""
        elif kind == 2:
            data[at:at + rng.choice((1, 2, 8))] = rng.choice(TOKENS)
        elif kind == 3 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 4 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 5:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            data[at:at] = other[start:start + rng.choice((4, 20, 200))]
        else:
            piece = bytes(data[at:at + rng.choice((2, 10, 40))])
            data[at:at] = piece * rng.choice((1, 1, 2, 10))
    return bytes(data[:4096])


def pieces(rng, data):
    """The same bytes cut at a few random points."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 2, 5))))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)]) if a < b]

"""`python -m tests.helpers.codec_mutants SEED COUNT BLOCK`: one digest per BLOCK mutated messages of what the codec made of
them, so that two builds of it can be compared; with a fourth argument (a block's number) their transcripts in full."""
import hashlib
import random
import sys

from fuzz.mutations import mutate, pieces, seeds
from tests.helpers.codec_check import settings, transcript


def transcripts(seed, count):
    """(input, transcript as text) of mutated messages, both directions, changing settings."""
    corpus, rng = seeds("http1"), random.Random(seed)
    others = [data for _, data in corpus]
    for _ in range(count):
        name, data = rng.choice(corpus)
        data = mutate(rng, data, others)
        made = settings(strict=rng.random() < 0.7, accept_http_10=rng.random() < 0.5, enable_trailers=rng.random() < 0.5,
                        underscores=rng.choice((0, 0, 0, 1, 2)), max_fields=rng.choice((100, 3)),
                        max_head_bytes=rng.choice((61440, 61440, 80)), allow_chunked_length=rng.random() < 0.3)
        out = transcript(name.startswith("request"), pieces(rng, data), eof=rng.random() < 0.3, made_settings=made,
                         methods=[rng.choice((b"GET", b"GET", b"HEAD", b"CONNECT"))])
        yield data, repr(out)


def digests(seed, count, block):
    """One hex digest per `block` inputs."""
    out, digest = [], hashlib.sha256()
    for number, (data, text) in enumerate(transcripts(seed, count), 1):
        digest.update(data + text.encode())
        if number % block == 0:
            out.append(digest.hexdigest()[:16])
            digest = hashlib.sha256()
    return out


if __name__ == "__main__":
    seed, count, block = map(int, sys.argv[1:4])
    if len(sys.argv) > 4:
        first = int(sys.argv[4]) * block
        for number, (data, text) in enumerate(transcripts(seed, count)):
            if first <= number < first + block:
                print(repr(data), text)
    else:
        print("\n".join(digests(seed, count, block)))

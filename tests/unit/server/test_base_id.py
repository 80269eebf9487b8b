import os
import random
import stat

import pytest

from gmosn.cli import parse
from gmosn.server.base_id import BaseIdTaken, claim

# one range per test run: other runs may share the machine
FREE = random.randrange(1 << 24, 1 << 26)


def options(*arguments):
    return parse(["-c", "x.yaml", *arguments])


def test_a_second_instance_with_the_same_id_is_refused_in_envoys_words():
    with claim(options("--base-id", str(FREE))):
        with pytest.raises(BaseIdTaken) as refused:
            claim(options("--base-id", str(FREE)))
        claim(options("--base-id", str(FREE + 1))).close()
    assert str(refused.value) == f"unable to bind domain socket with base_id={FREE}0, id=0, errno=98 (see --base-id option)"
    claim(options("--base-id", str(FREE))).close()


def test_epochs_of_one_id_do_not_collide():
    with claim(options("--base-id", str(FREE))), claim(options("--base-id", str(FREE), "--restart-epoch", "1")) as second:
        assert second.getsockname().endswith(b"_1")


def test_a_dynamic_id_is_free_and_written(tmp_path):
    path = tmp_path / "id"
    chosen = options("--use-dynamic-base-id", "--base-id-path", str(path))
    with claim(chosen), claim(options("--use-dynamic-base-id")):
        assert path.read_text() == str(chosen.base_id)


def test_without_hot_restart_nothing_is_claimed():
    assert claim(options("--disable-hot-restart")) is None


def test_a_path_has_its_mode_and_a_left_over_file_is_replaced(tmp_path):
    arguments = ("--socket-path", str(tmp_path / "hot"), "--socket-mode", "640")
    path = tmp_path / "hot_0_0"
    held = claim(options(*arguments))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    with pytest.raises(BaseIdTaken):
        claim(options(*arguments))
    held.close()
    claim(options(*arguments)).close()

"""Files are written aside and renamed: a reader sees the old one or the new one, whole."""

import os
import stat
import subprocess
import sys

import pytest

from handmade.errors import UserError
from handmade.files import remove_half_written, write_atomically


def test_the_old_file_stays_whole_until_the_new_one_is(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with write_atomically(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old", "the file changed before the new one was complete"
    assert path.read_text() == "new"


def test_an_error_half_way_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), write_atomically(path) as file:
        file.write("half of the n")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["notes.txt"], "the temporary file was left behind"


def test_a_full_disk_is_one_sentence(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with (
        pytest.raises(UserError, match=r"notes\.txt .*No space left.*free space"),
        write_atomically(path) as file,
    ):
        file.write("new")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old"


def test_a_missing_folder_is_one_sentence(tmp_path):
    with (
        pytest.raises(UserError, match="choose a folder that exists"),
        write_atomically(tmp_path / "no" / "x"),
    ):
        pass


def test_a_new_file_has_the_usual_permissions(tmp_path):
    with write_atomically(tmp_path / "a", "wb") as file:
        file.write(b"\x00")
    (tmp_path / "b").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes[0] == modes[1], "a file written aside can be read by others as any new file can"


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    code = (
        "import os, sys; from handmade.files import write_atomically\n"
        "with write_atomically(sys.argv[1]): os._exit(9)"
    )
    (tmp_path / "below").mkdir()
    (tmp_path / "kept.part").write_text("somebody's")
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "below" / "report.json"]).returncode == 9
    assert list((tmp_path / "below").iterdir()), "the test needs a half-written file"
    remove_half_written(tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == {"kept.part", "below"}

"""A folder is its process's until that process is gone, however it went."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from core.claims import Claim, abandoned, sweep

ROOT = Path(__file__).resolve().parents[2]
HOLD = "import sys, time; from pathlib import Path; from core.claims import Claim; c = Claim(Path(sys.argv[1]), 'his')"


def test_a_living_processs_folder_is_left_alone_and_a_killed_ones_swept(tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"{HOLD}; print('held', flush=True); time.sleep(60)", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    mine = Claim(tmp_path)
    assert abandoned(tmp_path) == []
    sweep(tmp_path)
    assert (tmp_path / "his").is_dir()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert abandoned(tmp_path) == [tmp_path / "his"]
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [mine.folder]
    mine.release()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_being_made_is_nobodys_yet_but_not_for_ever(tmp_path: Path) -> None:
    (tmp_path / ".young").mkdir()
    (tmp_path / ".old").mkdir()
    os.utime(tmp_path / ".old", (0, 0))
    assert abandoned(tmp_path) == [tmp_path / ".old"]
    assert abandoned(tmp_path / "nowhere") == []

"""The systemd unit that we hand out."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hopsight.cli.serving import parse_listen

UNIT = Path(__file__).parents[2] / "deploy" / "hopsight-server@.service"
PROGRAM = "/opt/hopsight/bin/hopsight"


def verified(path: Path, text: str) -> str:
    """What systemd says of a unit, with a program that is there in the place of ours."""
    assert PROGRAM in text
    path.write_text(text.replace(PROGRAM, sys.executable))
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False
    )
    return "\n".join(line for line in run.stderr.splitlines() if "hopsight-server@" in line)


def test_systemd_finds_nothing_wrong(tmp_path: Path, require: Callable[[bool, str], None]) -> None:
    """`systemd-analyze verify` has no word to say; of a key that it does not know it has."""
    require(shutil.which("systemd-analyze") is not None, "systemd-analyze is not installed")
    path, text = tmp_path / "hopsight-server@8481.service", UNIT.read_text()
    assert verified(path, text) == ""
    assert "ProtectKlock" in verified(path, text.replace("ProtectClock=", "ProtectKlock="))


def test_it_waits_longer_for_the_end_than_the_drain_takes() -> None:
    """Draining, as long again for what is under way, and some seconds to close: then systemd may kill."""
    lines = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if line[:1].isalpha())
    words = lines["ExecStart"].replace("%i", "8481").split()
    assert words[:2] == [PROGRAM, "server"]
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert parse_listen(options["--listen"]) == ("127.0.0.1", 8481)
    assert int(lines["TimeoutStopSec"]) > 2 * float(options["--drain"]) + 5

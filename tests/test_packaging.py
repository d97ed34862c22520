"""What is installed is what was tested."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    """Schemas, templates and style sheets travel with the code."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", tmp_path, ROOT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("hopsight/")}
    source = ROOT / "src"
    here = {
        str(path.relative_to(source))
        for path in (source / "hopsight").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == here


def test_the_agent_needs_nothing_of_the_server() -> None:
    """What an endpoint runs imports no library of the `server` extra."""
    program = """
import sys
import hopsight.agent.main, hopsight.agent.system_network, hopsight.cli.main, hopsight.simulation.run
heavy = {"litestar", "uvicorn", "sqlalchemy", "jinja2", "isal", "publicsuffixlist", "cryptography"}
sys.exit(", ".join(heavy & set(sys.modules)) or 0)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr

"""The documentation cannot fall behind the code."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_reference_pages_are_current() -> None:
    """What is written about commands, settings, filters and the API is what the code says today."""
    checked = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link of a page points at a file that is there."""
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]:
        for part in page.read_text(encoding="utf-8").split("](")[1:]:
            link = part.split(")")[0].split("#")[0].split(" ")[0]
            if link and "://" not in link and not link.startswith("mailto:"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"

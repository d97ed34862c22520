"""How a command ends that failed: one line on stderr, and a status that says of what kind it was."""

import sys
from typing import NoReturn

from hopsight.errors import HopsightError, InvalidValueError

FAILED = 1
WRONG_VALUE = 2


def end_with(error: HopsightError) -> NoReturn:
    """Say what is wrong, and exit: 2 for a wrong value, 1 for everything else."""
    sys.stderr.write(f"hopsight: {error}\n")
    sys.exit(WRONG_VALUE if isinstance(error, InvalidValueError) else FAILED)

"""The outcome, for people and for programs."""

from typing import Any

import msgspec
from tests.scale.faults import FAULTS
from tests.scale.run import Outcome, Phase


def table(outcome: Outcome) -> str:
    """A table in Markdown, and a sentence under it."""
    columns = ("what happens", "for s", "pages", "failed", "until s", "uploads", "sent again", "until s")
    head = f"| {' | '.join(columns)} |"
    lines = [head, "|---|--:|--:|--:|--:|--:|--:|--:|", *(_line(each) for each in outcome.phases)]
    told = (
        f"Acknowledged: {outcome.acknowledged}; found: {outcome.found}; twice: {outcome.twice}; "
        f"walks through a settled range: {outcome.walks}, of which changed: {outcome.changed}."
    )
    return "\n".join([*lines, "", told])


def _line(phase: Phase) -> str:
    what = FAULTS[phase.name].what if phase.name in FAULTS else "nothing"
    cells = (
        what,
        f"{phase.lasted_s:.0f}",
        phase.pages,
        phase.pages_failed,
        phase.pages_back_s,
        phase.uploads,
        phase.uploads_failed,
        phase.uploads_back_s,
    )
    return f"| {' | '.join(map(str, cells))} |"


def as_json(outcome: Outcome) -> dict[str, Any]:
    """All figures."""
    found: dict[str, Any] = msgspec.to_builtins(outcome)
    return found

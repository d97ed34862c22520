"""The pages' style sheets for a program that draws: light colours put in, and what draws SVG alone. Pure.

It knows neither variables nor ``@media``, and nothing of HTML; the colours stay written in one place.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

FONT: Final = "DejaVu Sans"

_DRAWN: Final = frozenset(
    (
        "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap",
        "stroke-opacity", "opacity", "paint-order", "text-anchor", "font-size", "font-weight",
    )
)  # fmt: skip
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_MEDIA: Final = re.compile(r"@(?:media|container)[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
_RULE: Final = re.compile(r"([^{}]+)\{([^{}]*)\}")
_VARIABLE: Final = re.compile(r"var\((--[\w-]+)\)")
_SELECTOR: Final = re.compile(r"\.[\w.\s-]+")
_FONT: Final = re.compile(r"([0-9.]+px)\b.*")


def drawing_styles(sheets: Sequence[str]) -> str:
    """The rules of style sheets that draw; later sheets win, as on the page.

    Args:
        sheets: their texts, in order.
    """
    rules = [rule for sheet in sheets for rule in _rules(sheet)]
    variables = {
        name: value
        for selector, declarations in rules
        if selector == ":root"
        for name, value in declarations
        if name.startswith("--")
    }
    lines = []
    for selectors, declarations in rules:
        kept = ",".join(each for each in map(str.strip, selectors.split(",")) if _SELECTOR.fullmatch(each))
        drawn = ";".join(f"{name}:{_resolved(value, variables)}" for name, value in _drawn(declarations))
        if kept and drawn:
            lines.append(f"{kept}{{{drawn}}}")
    return "\n".join(lines)


def _rules(sheet: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Selectors and declarations of a sheet, without those for dark screens, narrow ones and paper."""
    text = _MEDIA.sub("", _COMMENT.sub("", sheet))
    return [
        (
            selectors.strip(),
            [
                (name.strip(), value.strip())
                for name, _, value in (each.partition(":") for each in body.split(";"))
                if value
            ],
        )
        for selectors, body in _RULE.findall(text)
    ]


def _drawn(declarations: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that draw; of a font its size: there is one family."""
    fonts = [
        ("font-size", match[1])
        for name, value in declarations
        if name == "font" and (match := _FONT.fullmatch(value))
    ]
    return fonts + [(name, value) for name, value in declarations if name in _DRAWN]


def _resolved(value: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables[match[1]], value)

"""Two plots as SVG, drawn by hand: they need no library and diff as text."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.contest import Spread

__all__ = ["bars", "curves"]

_WIDTH, _ROW, _LEFT = 960, 26, 490
_INK, _BAR, _WHISKER = "#333333", "#4c78a8", "#b0413e"
_COLOURS = ("#4c78a8", "#b0413e", "#59a14f", "#9c755f", "#8e6bb0", "#777777")


def bars(title: str, rows: Sequence[tuple[str, Spread]]) -> str:
    """Ratios on a logarithmic axis: a bar to the median, a whisker from the least to the greatest."""
    height = _ROW * (len(rows) + 3)
    top = max([10.0, *(spread.high for _, spread in rows)]) * 1.2
    low = min([0.5, *(spread.low for _, spread in rows)]) / 1.2

    def x(value: float) -> float:
        share = (math.log(value) - math.log(low)) / (math.log(top) - math.log(low))
        return _LEFT + share * (_WIDTH - _LEFT - 70)

    parts = [_text(10, 18, title, weight="bold")]
    for tick in _decades(low, top):
        parts.append(_line(x(tick), _ROW, x(tick), height - _ROW, "#dddddd"))
        parts.append(_text(x(tick), height - 8, f"{tick:g} x", anchor="middle"))
    parts.append(_line(x(1), _ROW, x(1), height - _ROW, _INK))
    for index, (name, spread) in enumerate(rows):
        y = _ROW * (index + 1.5)
        start, end = sorted((x(1), x(spread.median)))
        parts.append(_text(_LEFT - 12, y + 12, name, anchor="end"))
        parts.append(f'<rect x="{start:.1f}" y="{y:.1f}" width="{end - start:.1f}" height="16" fill="{_BAR}"/>')
        parts.append(_line(x(spread.low), y + 8, x(spread.high), y + 8, _WHISKER))
        parts.append(_text(max(x(spread.high), x(1)) + 6, y + 12, f"{spread.median:.1f}"))
    return _document(_WIDTH, height, parts)


def curves(title: str, lines: dict[str, list[tuple[int, float]]]) -> str:
    """Seconds by number of files, both axes logarithmic; a straight line of slope one is linear growth."""
    width, height, left, top, right, bottom = _WIDTH, 420, 70, 40, 310, 50
    points = [point for line in lines.values() for point in line]
    x0, x1 = min(n for n, _ in points), max(n for n, _ in points)
    y0, y1 = min(s for _, s in points) / 1.5, max(s for _, s in points) * 1.5

    def x(files: float) -> float:
        return left + math.log(files / x0) / max(math.log(x1 / x0), 1e-9) * (width - left - right)

    def y(seconds: float) -> float:
        return height - bottom - math.log(seconds / y0) / math.log(y1 / y0) * (height - top - bottom)

    parts = [_text(10, 18, title, weight="bold")]
    for tick in _decades(x0, x1):
        parts.append(_line(x(tick), top, x(tick), height - bottom, "#dddddd"))
        parts.append(_text(x(tick), height - bottom + 18, f"{tick:,.0f} files", anchor="middle"))
    for tick in _decades(y0, y1):
        parts.append(_line(left, y(tick), width - right, y(tick), "#dddddd"))
        parts.append(_text(left - 8, y(tick) + 4, f"{tick:g} s", anchor="end"))
    ends = sorted(lines.items(), key=lambda item: -item[1][-1][1])
    for index, (name, line) in enumerate(ends):
        colour = _COLOURS[index % len(_COLOURS)]
        path = " ".join(f"{x(files):.1f},{y(seconds):.1f}" for files, seconds in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x(n):.1f}" cy="{y(s):.1f}" r="3" fill="{colour}"/>' for n, s in line]
        parts.append(_text(width - right + 14, top + 20 * (index + 1), f"{name}: {line[-1][1]:.3g} s", colour=colour))
    return _document(width, height, parts)


def _decades(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [10.0**exponent for exponent in exponents if low <= 10.0**exponent * 1.0001 and 10.0**exponent <= high]


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal", colour: str = _INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">'
        f"{html.escape(words)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _document(width: int, height: int, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )

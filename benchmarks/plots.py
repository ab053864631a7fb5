"""Draws charts as SVG.

A plotting library would be a hundred megabytes for a few lines and labels, and its output cannot
be read in a diff.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 40, 64, 50
#: Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")

Points = Sequence[tuple[float, float]]


class Axis:
    """Maps values to pixels, from 0, or from the power of ten below if logarithmic."""

    def __init__(
        self, values: Sequence[float], start: float, end: float, *, log: bool = False
    ) -> None:
        self.start, self.end, self.log = start, end, log
        if log:
            first, last = floor(log10(min(values))), floor(log10(max(values)))
            self.ticks = [10.0**power for power in range(first, last + 1)]
            self.low, self.high = self.ticks[0], max(*values, self.ticks[0] * 2)
        else:
            top = max(values) or 1
            unit = 10 ** floor(log10(top))
            step = next(unit * part for part in (0.2, 0.5, 1, 2) if top <= 5 * unit * part)
            self.ticks = [step * number for number in range(ceil(top / step) + 1)]
            self.low, self.high = 0, self.ticks[-1]

    def place(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = log10(value), log10(low), log10(high)
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)


def text(x: float, y: float, content: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{more}>{escape(content)}</text>'


def lines(
    title: str,
    x_label: str,
    y_label: str,
    series: Mapping[str, Points],
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> str:
    """Return a chart of named lines, as the text of an SVG file."""
    xs, ys = ([point[axis] for points in series.values() for point in points] for axis in (0, 1))
    across = Axis(xs, LEFT, WIDTH - RIGHT, log=log_x)
    up = Axis(ys, HEIGHT - BOTTOM, TOP, log=log_y)
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        '<g font-family="sans-serif" font-size="13" fill="#222">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        text(WIDTH / 2, 24, title, more=' font-weight="bold"'),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label),
        text(16, middle, y_label, more=f' transform="rotate(-90 16 {middle})"'),
    ]
    for tick in up.ticks:
        y = up.place(tick)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(text(LEFT - 8, y + 4, f"{tick:,.9g}", "end"))
    parts += [
        text(across.place(tick), HEIGHT - BOTTOM + 20, f"{tick:,.9g}") for tick in across.ticks
    ]
    x = LEFT
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = "L".join(f"{across.place(x)} {up.place(y)}" for x, y in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<path d="M{x} 46h18" stroke="{colour}" stroke-width="3"/>')
        parts.append(text(x + 24, 50, name, "start"))
        x += 54 + 7 * len(name)
    return "\n".join([*parts, "</g>", "</svg>"]) + "\n"


def bars(title: str, rows: Mapping[str, tuple[float, float, str]], parts: tuple[str, str]) -> str:
    """Return a chart of named bars, each of two parts and a remark, as the text of an SVG file."""
    left, row, top = 210, 40, 76
    whole = max(first + second for first, second, _ in rows.values())
    scale = (WIDTH - left - 110) / whole
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + row * len(rows)}">',
        '<g font-family="sans-serif" font-size="13" fill="#222">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        text(WIDTH / 2, 24, title, more=' font-weight="bold"'),
    ]
    x = float(left)
    for colour, part in zip(COLOURS, parts, strict=False):
        out.append(f'<rect x="{x}" y="42" width="12" height="12" fill="{colour}"/>')
        out.append(text(x + 18, 53, part, "start"))
        x += 54 + 7 * len(part)
    for number, (name, (first, second, remark)) in enumerate(rows.items()):
        y = top + row * number
        out.append(text(left - 10, y + 17, name, "end"))
        x = float(left)
        for colour, value in zip(COLOURS, (first, second), strict=False):
            width = round(value * scale, 1)
            if not width:
                continue
            out.append(f'<rect x="{x}" y="{y}" width="{width}" height="26" fill="{colour}"/>')
            out.append(text(x + width / 2, y + 17, f"{value:,.9g}", more=' style="fill:#fff"'))
            x = round(x + width, 1)
        out.append(text(x + 10, y + 17, remark, "start"))
    return "\n".join([*out, "</g>", "</svg>"]) + "\n"

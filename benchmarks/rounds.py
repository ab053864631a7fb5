"""Rounds in which contenders take turns, and what is concluded from them: medians with quartiles.

A shared machine is faster in one second than in the next. What is compared is therefore measured
side by side, each round by turns, and a ratio is taken within its round before any median.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import median, quantiles
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")


class Spread(NamedTuple):
    """A median and its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of one value or more."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(median(values), low, high)

    def show(self, digits: int = 2) -> str:
        """The median, and the quartiles in brackets."""
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}-{self.high:,.{digits}f})"


def interleave(
    contenders: Mapping[str, Callable[[], Result]], rounds: int
) -> dict[str, list[Result]]:
    """Let each contender have its turn in each round, another one first each time."""
    results: dict[str, list[Result]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            results[name].append(contenders[name]())
    return results


def ratios(values: Sequence[float], reference: Sequence[float]) -> Spread:
    """How values compare with those of the same rounds."""
    return Spread.of([a / b for a, b in zip(values, reference, strict=True)])


def progress(text: str) -> None:
    """Say where a long run has got to."""
    print(text, file=sys.stderr, flush=True)

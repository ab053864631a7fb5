"""Runs contenders in turns, and computes medians and quartiles.

The speed of a shared machine changes from second to second. So contenders take turns in short
rounds, and ratios are computed within a round, before any median.
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
        """Return the spread of at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(median(values), low, high)

    def show(self, digits: int = 2) -> str:
        """Return the median, with the quartiles in brackets."""
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}-{self.high:,.{digits}f})"


def interleave(
    contenders: Mapping[str, Callable[[], Result]], rounds: int
) -> dict[str, list[Result]]:
    """Call every contender once per round, each round starting with another one."""
    results: dict[str, list[Result]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            results[name].append(contenders[name]())
    return results


def ratios(values: Sequence[float], reference: Sequence[float]) -> Spread:
    """Return the spread of the ratios of values to those of the same rounds."""
    return Spread.of([a / b for a, b in zip(values, reference, strict=True)])


def progress(text: str) -> None:
    """Print the progress of a long run to standard error."""
    print(text, file=sys.stderr, flush=True)

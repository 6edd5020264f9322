"""Shares with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z95 = 1.959964


@dataclass(frozen=True)
class Share:
    """So many of so many; none of none is no share."""

    hits: int = 0
    of: int = 0

    @property
    def value(self) -> float | None:
        """hits / of; None of nothing."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval by Wilson's score ("Probable inference", JASA 22, 1927), which holds near 0 and 1 too."""
        if not self.of:
            return None
        p, n, z2 = self.hits / self.of, self.of, _Z95**2
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        reach = _Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n**2))
        return max(0.0, middle - reach), min(1.0, middle + reach)

    def __str__(self) -> str:
        """The share in words for a table."""
        if self.interval is None:
            return "-"
        low, high = self.interval
        return f"{100 * self.hits / self.of:.0f} % ({100 * low:.0f} to {100 * high:.0f})"

    def as_json(self) -> dict[str, float | int | None]:
        """The share for machines."""
        low, high = self.interval or (None, None)
        return {"value": self.value, "low": low, "high": high, "hits": self.hits, "of": self.of}

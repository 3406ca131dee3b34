"""What may be spent, as ratios in one run, and what was."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

type Rounds = Mapping[str, Sequence[Mapping[str, float]]]  # the figures of each subject, one for each round


@dataclass(frozen=True)
class Budget:
    """`figure` of `subject`, at the most so many times that of `reference`; without one, so much."""

    subject: str
    figure: str
    most: float
    reference: str = ""

    def spent(self, rounds: Rounds) -> float:
        """Return the median of the ratios, each of two that were measured one after the other."""
        mine = [one[self.figure] for one in rounds[self.subject]]
        if not self.reference:
            return median(mine)
        theirs = [one[self.figure] for one in rounds[self.reference]]
        return median(one / other for one, other in zip(mine, theirs, strict=True))


BUDGETS = (
    Budget("webhook", "cold", 1.15, "minimal"),
    Budget("webhook", "cold", 0.40, "tutorial"),
    Budget("webhook", "warm", 1.25, "minimal"),
    Budget("launch", "cold", 0.40, "guide"),
    Budget("launch", "cold", 1.15, "guide, bytecode"),
    Budget("launch", "warm", 0.75, "guide"),
    Budget("query", "cold", 1.20, "minimal"),
    Budget("query", "warm", 1.25, "minimal"),
    Budget("webhook", "size", 30),
    Budget("launch", "size", 75),
    Budget("webhook", "aws_calls", 1),
    Budget("webhook, to the bucket", "aws_calls", 2),
    Budget("query", "aws_calls", 1),
    Budget("launch", "aws_calls", 3),
)

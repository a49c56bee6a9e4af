"""What the stages of mining hand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from engine.rows import Mined, PoolAnswer, PoolCount, PoolRow
from engine.stages.outputs import Generated, Output


class Shortlisted(Output):
    """The rows of the pool among which is chosen."""

    @cached_property
    def pool(self) -> Sequence[PoolRow]:
        """In the pool's order."""
        return self.of(PoolRow)

    @cached_property
    def counts(self) -> Sequence[PoolCount]:
        """What was read, and what was left out."""
        return self.of(PoolCount)


class PoolAnswered(Output):
    """What the student says of the shortlist."""

    @cached_property
    def by_row(self) -> Mapping[str, PoolAnswer]:
        """Its answers by the rows' ids."""
        return {answer.pool_row: answer for answer in self.of(PoolAnswer)}


class MinedRows(Generated):
    """Rows of the pool with labels, as candidates."""

    @cached_property
    def mined(self) -> Sequence[Mined]:
        """Where each comes from, those that wait for a label too."""
        return self.of(Mined)

    @cached_property
    def counts(self) -> Sequence[PoolCount]:
        """What was left out of the shortlist."""
        return self.of(PoolCount)

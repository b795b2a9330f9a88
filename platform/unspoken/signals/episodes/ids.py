"""Where ids stand.

Text costs most of the time that a rebuild takes, so ids are looked up here; all that follows counts in numbers.
"""

import numpy as np
import polars as pl

from unspoken.signals.episodes.rows import NOWHERE, taken
from unspoken.signals.tree import Rows

SLOTS = 4  # for each id, or up to twice as many: nine of ten then have one of their own


class Ids:
    """A table by hash, of which most names are found at once; those whose slot went to another id are joined."""

    def __init__(self, ids: pl.Series) -> None:
        """No id twice."""
        self.ids = ids.alias("id").to_frame()
        self.slots = SLOTS << len(ids).bit_length()
        slot, row = self._slot(ids), np.arange(len(ids))
        self.table = np.full(self.slots, NOWHERE)
        self.table[slot] = row
        other = self.table[slot] != row
        self.others = self.ids.filter(pl.Series(other)).with_columns(row=pl.Series(row[other]))

    def rows(self, names: pl.Series) -> Rows:
        """Where among the ids each of the names stands; NOWHERE for those that are not there."""
        row: Rows = self.table[self._slot(names)]
        wrong = ~(taken(self.ids, row)["id"] == names).fill_null(False).to_numpy()
        other = np.flatnonzero(wrong & (row != NOWHERE))
        row[wrong] = NOWHERE
        asked = names.gather(other).alias("id").to_frame()
        found = asked.join(self.others, on="id", how="left", maintain_order="left")["row"]
        row[other] = found.fill_null(NOWHERE).to_numpy()
        return row

    def _slot(self, names: pl.Series) -> Rows:
        slot: Rows = names.hash().to_numpy().view(np.int64) & (self.slots - 1)
        return slot

"""Messages and events in order, each once, and every event with the row of the message that it is about.

Text ids cost most of the time that a rebuild takes, so they are looked up once here; all that follows counts in rows.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unspoken.events import KINDS
from unspoken.signals.tree import Rows
from unspoken.signals.withdrawn import withdrawn

NOWHERE = -1
Columns = tuple[str | pl.Expr, ...]


def in_order(messages: pl.DataFrame) -> pl.DataFrame:
    """By conversation, time and id, of each id the first row; quick where it is so already."""
    messages = once(messages, "message")
    if messages.select(_stands_in_order("message")).item():
        return messages
    return messages.sort("conversation", "at", "message")


def _stands_in_order(name: str) -> pl.Expr:
    (talk, was_talk), (at, was_at), (own, was_own) = (
        (pl.col(each), pl.col(each).shift()) for each in ("conversation", "at", name)
    )
    return ((talk > was_talk) | ((talk == was_talk) & ((at > was_at) | ((at == was_at) & (own > was_own))))).all()


def once(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Of each id in column `name` the first row."""
    hashes = np.sort(frame[name].hash().to_numpy())
    # No hash twice is no id twice.
    if (hashes[1:] != hashes[:-1]).all():
        return frame
    return frame.unique(name, keep="first", maintain_order=True)


def rows_of(names: pl.Series, conversations: pl.Series, messages: pl.DataFrame) -> Rows:
    """Where in `messages` each of the names stands; NOWHERE for those that are not there or of another conversation."""
    known = messages.select("message", "conversation").with_row_index("row")
    sought = pl.DataFrame({"message": names, "sought": conversations})
    found = sought.join(known, on="message", how="left", maintain_order="left")
    same = pl.when(pl.col("conversation") == pl.col("sought")).then("row")
    return found.select(same.cast(pl.Int64).fill_null(NOWHERE)).to_series().to_numpy()


class Acts:
    """The events (each once, in any order) about some messages, kind by kind.

    `talk`, `row`: numbers of the conversation and of the message, of each event in `events`. `order`: where the events
    that count stand there, those of a conversation together, by time and id. Withdrawn closes do not count.
    """

    def __init__(self, events: pl.DataFrame, messages: pl.DataFrame) -> None:
        self.events, self.messages = events, len(messages)
        self.row = rows_of(events["message"], events["conversation"], messages)
        self.talk, order = _by_conversation(events)
        counts = np.ones(len(events), dtype=np.bool_)
        counts[withdrawn(events).to_numpy()] = False
        self.order = order[counts[order]]
        kind = events["kind"].cast(pl.Enum(KINDS), strict=False).to_physical().fill_null(len(KINDS)).to_numpy()
        self._kind = kind[self.order]
        row = self.row[self.order]
        by_row = np.argsort(row, kind="stable")  # and within a row by time and id, as they come
        self._about = by_row[np.searchsorted(row, 0, sorter=by_row) :]

    def on(self, *kinds: str, columns: Columns) -> pl.DataFrame:
        """`row` (of the message) and the columns of these kinds' events about a known message, by row, time and id."""
        return self._taken(self._about[self._is(kinds)[self._about]], columns)

    def all(self, *kinds: str, columns: Columns) -> pl.DataFrame:
        """`row` (NOWHERE for none) and the columns of all events of these kinds, a conversation's by time and id."""
        return self._taken(np.flatnonzero(self._is(kinds)), columns)

    def _is(self, kinds: tuple[str, ...]) -> NDArray[np.bool_]:
        wanted = np.zeros(len(KINDS) + 1, dtype=np.bool_)
        wanted[[KINDS.index(kind) for kind in kinds]] = True
        found: NDArray[np.bool_] = wanted[self._kind]
        return found

    def _taken(self, places: Rows, columns: Columns) -> pl.DataFrame:
        numbers = self.order[places]
        return self.events.select(*columns)[numbers].with_columns(row=pl.Series(self.row[numbers]))


def _by_conversation(events: pl.DataFrame) -> tuple[Rows, Rows]:
    if events.select(_stands_in_order("event")).item():
        return events["conversation"].rle_id().to_numpy().astype(np.int64), np.arange(len(events))
    talk = numbered(events["conversation"])
    at = events["at"].to_physical().to_numpy()
    order = np.lexsort((at, talk))
    same = (talk[order][1:] == talk[order][:-1]) & (at[order][1:] == at[order][:-1])
    if same.any():  # the ids decide, and text is compared where it has to be
        tied = np.append(same, False) | np.append(False, same)
        those = order[tied]
        rank = events["event"].gather(those).rank("dense").to_numpy()
        order[tied] = those[np.lexsort((rank, at[those], talk[those]))]
    return talk, order


def numbered(names: pl.Series) -> Rows:
    """A number for each name. No nulls."""
    runs = names.rle().struct.unnest()
    each = runs["value"].cast(pl.Categorical(pl.Categories.random())).to_physical().to_numpy().astype(np.int64)
    return np.repeat(each, runs["len"].to_numpy())


def taken(frame: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """These rows of a frame, in this order; nulls for NOWHERE."""
    return frame.select(pl.all().gather(pl.Series(rows, dtype=pl.Int64).replace(NOWHERE, None)))


def beside(rows: Rows, parts: Iterable[pl.DataFrame], messages: int) -> pl.DataFrame:
    """The columns of frames that have no `row` twice, side by side, for each of `rows`; nulls where a frame has none.

    As a left join of each would have it, without carrying what is there already through all of them.
    """
    found = []
    for part in parts:
        place = np.full(messages, NOWHERE)
        place[part["row"].to_numpy()] = np.arange(len(part))
        found.append(taken(part.drop("row"), place[rows]))
    return pl.concat(found, how="horizontal")


def together(rows: pl.DataFrame, lists: Sequence[str], name: str) -> pl.DataFrame:
    """row, `name`: the columns `lists` of ids one after the other, for each row where there is one.

    Many times faster than concat_list, which takes row by row.
    """
    ids = pl.concat(rows.select("row", pl.col(each).alias(name)).drop_nulls().explode(name) for each in lists)
    by_row = ids.drop_nulls().sort("row", maintain_order=True)
    return by_row.group_by("row", maintain_order=True).agg(name)


def first_of(rows: pl.DataFrame) -> pl.DataFrame:
    """The first of each `row`, of rows that stand together."""
    return rows.filter((pl.col("row") != pl.col("row").shift()).fill_null(True))


def last_of(rows: pl.DataFrame) -> pl.DataFrame:
    """The last of each `row`, of rows that stand together."""
    return rows.filter((pl.col("row") != pl.col("row").shift(-1)).fill_null(True))

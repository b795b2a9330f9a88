"""The events about some messages, kind by kind, as numbers: where each stands, and the row of its message."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unspoken.events import KINDS
from unspoken.signals.episodes.columns import Listed
from unspoken.signals.episodes.ids import Ids
from unspoken.signals.episodes.rows import NOWHERE, NULL, in_order, microseconds
from unspoken.signals.episodes.withdrawn import COLUMNS, NEVER, withdrawn
from unspoken.signals.tree import Rows


@dataclass(frozen=True)
class Messages:
    """Messages by conversation, time and id, each once; beside each row the number of its conversation, the time in
    microseconds and the row of its parent, NOWHERE for a root."""

    frame: pl.DataFrame
    ids: Ids
    talk: Rows
    at: Rows
    parent: Rows

    @classmethod
    def placed(cls, frame: pl.DataFrame, talk: Rows) -> Self:
        """Of messages in any order, each once."""
        order = in_order(frame, "message", talk)
        if (order[1:] < order[:-1]).any():
            frame, talk = frame[order], talk[order]
        ids = Ids(frame["message"])
        parent = _within(ids.rows(frame["parent"]), talk, talk)
        return cls(frame, ids, talk, microseconds(frame["at"]), parent)

    def __len__(self) -> int:
        return len(self.frame)

    def named(self, names: pl.Series, talk: Rows) -> Rows:
        """The rows of the messages of these names in these conversations; NOWHERE where there is none."""
        runs = names.rle().struct.unnest()  # what is done to one message comes one after the other
        rows = np.repeat(self.ids.rows(runs["value"]), runs["len"].to_numpy())
        return _within(rows, self.talk, talk)


def _within(rows: Rows, talks: Rows, talk: Rows) -> Rows:
    """These rows, NOWHERE for those that are not of conversation `talk`."""
    return np.where(talks[rows] == talk, rows, NOWHERE)


@dataclass(frozen=True)
class Some:
    """Some of the events: where each stands in `events`, and the row of its message; of one message by time and id."""

    events: pl.DataFrame
    number: Rows
    row: Rows
    messages: int

    def where(self, says: pl.Expr) -> Self:
        """Those of which this is true."""
        asked = self.says(**{name: name for name in says.meta.root_names()})
        return self._only(asked.select(says.fill_null(False)).to_series().to_numpy())

    def saying(self, name: str) -> Self:
        """Those that say something in this column."""
        return self._only(self.events[name].is_not_null().to_numpy()[self.number])

    def _only(self, true: NDArray[np.bool_]) -> Self:
        return replace(self, number=self.number[true], row=self.row[true])

    def says(self, **columns: str) -> pl.DataFrame:
        """What they say in these columns, under new names."""
        number = pl.Series(self.number)
        return self.events.select(**{name: pl.col(column).gather(number) for name, column in columns.items()})

    def values(self, name: str) -> Rows:
        """What they say in a column, NULL where they say nothing."""
        return self.events[name].cast(pl.Int64).fill_null(NULL).to_numpy()[self.number]

    def listed(self) -> Listed:
        """As the evidence of their messages."""
        return Listed(self.row, self.number, np.arange(self.messages))

    def any(self) -> NDArray[np.bool_]:
        """For each message whether there is one."""
        found = np.zeros(self.messages, dtype=np.bool_)
        found[self.row] = True
        return found

    def first(self) -> Rows:
        """For each message where among these its first event stands, NOWHERE for none."""
        found = np.full(self.messages, NOWHERE)
        found[self.row[::-1]] = np.arange(len(self.row))[::-1]  # of several values for one place the last one stays
        return found

    def last(self) -> Rows:
        """For each message where among these its last event stands, NOWHERE for none."""
        found = np.full(self.messages, NOWHERE)
        found[self.row] = np.arange(len(self.row))
        return found

    def numbers(self, places: Rows) -> Rows:
        """Of the events at these places of them the numbers, NOWHERE for NOWHERE."""
        found: Rows = np.append(self.number, NOWHERE)[places]
        return found

    def most(self, values: Rows) -> Rows:
        """For each message the greatest of its events' `values`, NULL for none."""
        found = np.full(self.messages, NULL)
        np.maximum.at(found, self.row, values)
        return found

    def total(self, values: Rows) -> Rows:
        """For each message the sum of its events' `values`, NULL where none has one."""
        known = values != NULL
        found = np.zeros(self.messages, dtype=np.int64)
        np.add.at(found, self.row[known], values[known])
        none = np.ones(self.messages, dtype=np.bool_)
        none[self.row[known]] = False
        found[none] = NULL
        return found


class Acts:
    """The events (each once, in any order) about some messages, kind by kind.

    `talk`, `row`, `kind`, `at`: numbers of the conversation, the message and the kind, and the time, of each event in
    `events`. `order`: where the events that count stand there, by conversation, time and id. Withdrawn closes do not.
    """

    def __init__(self, events: pl.DataFrame, talk: Rows, messages: Messages) -> None:
        self.events, self.talk, self.messages = events, talk, len(messages)
        self.row = messages.named(events["message"], talk)
        self.at = microseconds(events["at"])
        self.kind = events["kind"].cast(pl.Enum(KINDS), strict=False).to_physical().fill_null(len(KINDS)).to_numpy()
        self.order = in_order(events, "event", talk)
        counts = np.ones(len(events), dtype=np.bool_)
        counts[self._withdrawn()] = False
        self.order = self.order[counts[self.order]]
        kind = self.kind[self.order]
        self._places = np.split(np.argsort(kind, kind="stable"), np.cumsum(np.bincount(kind, minlength=len(KINDS) + 1)))

    def on(self, *kinds: str) -> Some:
        """The events of these kinds about a known message."""
        every = self.all(*kinds)
        known = every.row != NOWHERE
        return replace(every, number=every.number[known], row=every.row[known])

    def all(self, *kinds: str) -> Some:
        """All events of these kinds, also those about no message, whose row is NOWHERE."""
        places = [self._places[KINDS.index(kind)] for kind in kinds]
        number = self.order[places[0] if len(places) == 1 else np.sort(np.concatenate(places))]
        return Some(self.events, number, self.row[number], self.messages)

    def own(self) -> Rows:
        """Of each message the number of its own event, NOWHERE for none."""
        told = self.on("message")
        return told.numbers(told.first())

    def said(self, name: str, number: Rows) -> Rows:
        """What the events of these numbers say in a column; NULL where it is nothing, or the number is NOWHERE."""
        values = self.events[name].cast(pl.Int64).fill_null(NULL).to_numpy()
        found: Rows = np.append(values, NULL)[number]
        return found

    def _withdrawn(self) -> Rows:
        """Only what comes within the silence withdraws an inferred close: that is seen at once, and it is rare."""
        inferred = self.kind == KINDS.index("close")
        inferred[inferred] = (
            (self.events["cause"].filter(pl.Series(inferred)) == "inferred").fill_null(False).to_numpy()
        )
        place = np.flatnonzero(inferred[self.order][:-1])
        close, then = self.order[place], self.order[place + 1]
        until = self.at[close] + self.events["silent_ms"].gather(close).fill_null(0).to_numpy() * 1000
        broken = (self.talk[then] == self.talk[close]) & (self.at[then] <= until)
        touched, begins = self.talk[close[broken]], self.at[close[broken]]
        talks = int(self.talk.max(initial=0)) + 1
        since, ends = np.full(talks, NEVER), np.full(talks, NULL)
        np.minimum.at(since, touched, begins)
        np.maximum.at(ends, touched, until[broken])
        around = np.flatnonzero((since[self.talk] <= self.at) & (self.at <= ends[self.talk]))
        events = self.events.select(pl.col(COLUMNS).gather(around))
        kind, talk, at = (each[around] for each in (self.kind, self.talk, self.at))
        return around[withdrawn(events, kind, inferred[around], talk, at)]

"""The events of drawn acts, as columns: hundreds of seeds need no JSON.

A Log holds what a page and a server would send, one row per event in the order of time, with indices in place of
names. `frames` and `unspoken.simulate.lines` turn the same rows into the frames of the platform and into JSON.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID
from zlib import crc32

import numpy as np
import polars as pl

from unspoken.events import digest, hash_user
from unspoken.frames import EVENTS, FIELDS, MESSAGES, TIME
from unspoken.simulate import replies
from unspoken.simulate.draws import Draws
from unspoken.simulate.people import DEVICES
from unspoken.simulate.said import LEVELS
from unspoken.simulate.texts import ANCHORS
from unspoken.simulate.transport import sent

START_MS = 1_767_225_600_000  # 2026-01-01
POLICIES = "abcdefgh"
_HEARTBEAT_MS = 5000
_NAMED = ("message", "parent", "chosen", "other", "previous", "displayed", "to")  # indices into `Log.names`


@dataclass(frozen=True)
class Log:
    """rows: t (ms), exchange, kind, the indices of _NAMED, text, arm, from_page, n, FIELDS, and what became of it on
    its way: id, at (the client's clock, corrected), clock_ms, lost, arrival, repeated.
    """

    draws: Draws
    rows: pl.DataFrame

    def frames(self, user_secret: str = "00") -> tuple[pl.DataFrame, pl.DataFrame, dict[str, str]]:
        """As unspoken.signals.reading.frames of the same events, in the order of arrival."""
        rows = self.named(user_secret).filter(~pl.col("lost"), ~pl.col("repeated")).sort("arrival", "number")
        events = rows.select(pl.col(name).cast(dtype) for name, dtype in EVENTS.items())
        said = rows.filter(pl.col("kind") == "message")
        texts = self.texts
        of_text = pl.DataFrame(
            {"text": range(len(texts)), "chars": [len(each) for each in texts], "digest": [*map(digest, texts)]},
            schema={"text": pl.Int64, "chars": pl.Int64, "digest": pl.String},
        )
        messages = said.drop("chars").join(of_text, on="text", how="left", maintain_order="left")
        wording = dict(zip(said["message"].to_list(), (texts[i] for i in said["text"].to_list()), strict=True))
        return messages.select(pl.col(name).cast(dtype) for name, dtype in MESSAGES.items()), events, wording

    def named(self, user_secret: str | None = None) -> pl.DataFrame:
        """The rows with names for indices; users as the chatbot's own ids, or hashed with a secret."""
        draws, rows = self.draws, self.rows
        names = self.names
        users = [draws.people.name(user) for user in range(len(draws.people))]
        if user_secret is not None:
            users = [hash_user(user_secret, user) for user in users]
        exchange = rows["exchange"].to_numpy()
        whose = draws.user[exchange]
        conversation = pl.Series(self.conversations).gather(exchange)
        assistant = rows["role"].fill_null("") == "assistant"
        columns = {name: names.gather(rows[name]) for name in _NAMED}
        return rows.with_columns(
            event=pl.col("id"),
            conversation=conversation,
            # A machine wrote the answer; the user did everything else.
            user=pl.Series(users).gather(whose).zip_with(~assistant, pl.Series([None], dtype=pl.String)),
            device=pl.Series(DEVICES)
            .gather(draws.people.device[whose])
            .zip_with(~assistant, pl.Series([None], dtype=pl.String)),
            at=pl.from_epoch(pl.col("at"), time_unit="ms")
            .cast(pl.Datetime("us"))
            .dt.replace_time_zone("UTC")
            .cast(TIME),
            page=pl.when("from_page").then(conversation + "-v"),
            **columns,
        ).with_columns(rejected=pl.when(pl.col("other").is_not_null()).then(pl.concat_list("other")))

    @cached_property
    def conversations(self) -> list[str]:
        """A name for each exchange."""
        user = self.draws.user
        number = np.arange(len(user)) - np.searchsorted(user, user)
        return [f"{self.draws.people.name(u)}-{i}" for u, i in zip(user.tolist(), number.tolist(), strict=True)]

    @cached_property
    def names(self) -> pl.Series:
        """Message names: of the answers, then each exchange's prompt, then its next message or edited prompt."""
        talks = self.conversations
        exchange, rank = self.draws.exchange.tolist(), self.draws.rank.tolist()
        answers = [f"{talks[e]}-a{r}" for e, r in zip(exchange, rank, strict=True)]
        return pl.Series([*answers, *(f"{talk}-p" for talk in talks), *(f"{talk}-n" for talk in talks)])

    @cached_property
    def texts(self) -> list[str]:
        """Answers' texts, then prompts, then replies by class, wording and prompt."""
        draws = self.draws
        every = [
            replies.text(of, w, prompt) for of in replies.CLASSES for w in range(8) for prompt in draws.corpus.prompts
        ]
        return [*draws.texts, *draws.corpus.prompts, *every]


def log(draws: Draws) -> Log:
    """Every event of the world; the same draws give the same rows."""
    return Log(draws, sent(draws, _numbered(draws, _acts(draws))))


def _acts(draws: Draws) -> pl.DataFrame:
    """Rows of every kind, not yet in order."""
    looks, said = draws.looks, draws.said
    exchanges, answers = len(draws.user), len(draws)
    every = np.arange(answers)
    ms = START_MS + draws.start_ms
    shown = ms[draws.exchange] + draws.shown_ms
    stream = (1000 * looks.stream_s).astype(np.int64)
    visible = (1000 * looks.visible_s).astype(np.int64)
    over = shown + visible + looks.idle_ms + looks.hidden_ms
    chars = np.array([len(text) for text in draws.texts])[draws.text]
    complete = looks.cut == ""
    seen = np.where(complete, chars, np.minimum(chars, (looks.visible_s * draws.world.chars_per_s).astype(np.int64)))
    prompt, following = answers + np.arange(exchanges), answers + exchanges + np.arange(exchanges)
    asked, rest = draws.world.solicit_rate, 1 - 2 * draws.world.solicit_rate
    extent = {"seen_chars": seen, "total_chars": chars}
    parts = [
        _kind("message", ms, np.arange(exchanges), prompt, role="user", text=len(draws.texts) + draws.prompt,
              topic=np.array(draws.corpus.topics)[draws.prompt], from_page=False),
        _kind("message", shown, draws.exchange, every, role="assistant", text=draws.text, parent=prompt[draws.exchange],
              finish=np.where(complete, "complete", "stopped"), duration_ms=np.where(complete, stream, visible),
              arm=_arms(draws), from_page=False),
        _kind("expose", shown + 1, draws.exchange, every),
        _kind("view", over, draws.exchange, every, visible_ms=visible + looks.idle_ms, idle_ms=looks.idle_ms,
              active_ms=visible, hidden_ms=looks.hidden_ms, **extent),
        *(
            part.filter(where)
            for part, where in (
                (_kind("solicit", over + 6, draws.exchange, every, level=np.array(LEVELS)[said.level],
                       shown=said.level > 0, answered=said.answered, propensity=np.where(said.level > 0, asked, rest)),
                 looks.cut != "close"),
                (_kind("stop", over - 2, draws.exchange, every, **extent), looks.cut == "stop"),
                (_kind("close", over + 1, draws.exchange, every, phase="streaming", cause="tab", **extent),
                 looks.cut == "close"),
                (_kind("hide", shown + visible * 97 // 100, draws.exchange, every, phase="reading"),
                 looks.hidden_ms > 0),
                (_kind("return", shown + visible * 97 // 100 + looks.hidden_ms, draws.exchange, every, phase="reading",
                       away_ms=looks.hidden_ms), looks.hidden_ms > 0),
                (_kind("pause", shown + visible * 96 // 100, draws.exchange, every, ms=looks.pause_ms, phase="reading"),
                 looks.pause_ms > 0),
                (_kind("copy", shown + (1000 * looks.copied_s).astype(np.int64), draws.exchange, every,
                       chars=looks.copied_chars, part=_parts(draws)), looks.copied_s > 0),
                (_kind("share", over + 4, draws.exchange, every), looks.shared),
                (_kind("vote", over + 8, draws.exchange, every, value=said.vote.astype(float)), said.vote != 0),
                (_kind("rating", over + 10, draws.exchange, every, scale="quality", value=said.rating.astype(float),
                       lowest=1.0, highest=5.0), said.rating > 0),
                (_kind("regenerate", over + 20, draws.exchange, every, displayed=every,
                       phase=np.where(looks.cut == "unread", "streaming", "reading"), **extent), looks.regenerated),
            )
        ),
        *_endings(draws, over, prompt, following),
    ]  # fmt: skip
    if draws.world.heartbeats:
        parts.append(_heartbeats(draws, shown, visible, extent))
    return pl.concat(parts, how="diagonal")


def _endings(draws: Draws, over: np.ndarray, prompt: np.ndarray, following: np.ndarray) -> list[pl.DataFrame]:
    """The choice side by side, the sibling that was brought up again, the next message, the edited prompt."""
    exchanges = np.arange(len(draws.user))
    nothing = np.full(len(exchanges), -1)
    last = np.append(draws.starts[1:], len(draws)) - 1
    kept, act = draws.ends.kept, draws.ends.act
    at = over[last] + (1000 * draws.ends.compose_s).astype(np.int64) + 30
    texts = len(draws.texts) + len(draws.corpus.prompts)
    rephrase = replies.CLASSES.index("rephrase")
    of = np.where(act == 2, rephrase, draws.reply)
    text = texts + (of * 8 + draws.wording % 8) * len(draws.corpus.prompts) + draws.prompt
    follow = {"role": "user", "text": text, "from_page": False}
    beside = np.where(draws.chosen == draws.starts, draws.starts + 1, draws.starts)
    rows = (
        (_kind("choice", over[last] + 12, exchanges, nothing, chosen=draws.chosen, other=beside, tie=False),
         draws.chosen >= 0),
        (_kind("select", at - 5, exchanges, kept, previous=last, displayed=last), (act == 1) & (kept != last)),
        (_kind("message", at, exchanges, following, parent=kept, **follow), act == 1),
        (_kind("message", at, exchanges, following, **follow), act == 2),
        (_kind("edit", at + 1, exchanges, prompt, to=following), act == 2),
    )  # fmt: skip
    return [part.filter(where) for part, where in rows]


def _heartbeats(draws: Draws, shown: np.ndarray, visible: np.ndarray, extent: dict[str, Any]) -> pl.DataFrame:
    count = visible // _HEARTBEAT_MS
    row = np.repeat(np.arange(len(draws)), count)
    number = 1 + np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    at = number * _HEARTBEAT_MS
    chars = extent["total_chars"][row]
    seen = np.minimum(chars, (at * draws.world.chars_per_s / 1000).astype(np.int64))
    streaming = seen < chars
    phase = np.where(streaming, "streaming", "reading")
    return _kind(
        "heartbeat", shown[row] + at, draws.exchange[row], row, phase=phase, seen_chars=seen, total_chars=chars
    )


def _kind(kind: str, t: np.ndarray, exchange: np.ndarray, message: np.ndarray, **fields: Any) -> pl.DataFrame:
    """Rows of one kind: arrays, or one value for all of them."""
    given = {"kind": kind, "t": t, "exchange": exchange, "message": message, "from_page": True, **fields}
    columns = {
        name: value if isinstance(value, np.ndarray) else pl.repeat(value, len(t), eager=True)
        for name, value in given.items()
    }
    return pl.DataFrame(columns).with_columns(pl.col(pl.Int32).cast(pl.Int64))


def _numbered(draws: Draws, rows: pl.DataFrame) -> pl.DataFrame:
    """In order of time, with an id each and a running number within each page."""
    lacking = [name for name in ("text", "arm", "finish", "parent", *_NAMED) if name not in rows.columns]
    lacking += [name for name in FIELDS if name not in rows.columns and name not in ("rejected", *lacking)]
    rows = rows.with_columns(pl.lit(None, dtype=FIELDS.get(name, pl.Int64)).alias(name) for name in lacking)
    rows = rows.with_columns(message=pl.when(pl.col("message") >= 0).then("message")).sort(
        "t", "exchange", "kind", maintain_order=True
    )
    seed = [draws.seed, 3, crc32(repr(draws.world).encode())]
    raw = np.random.default_rng(seed).bytes(16 * len(rows))
    ids = [str(UUID(bytes=raw[16 * i : 16 * i + 16], version=4)) for i in range(len(rows))]
    n = pl.col("from_page").cast(pl.Int64).cum_sum().over("exchange") - 1
    return rows.with_columns(id=pl.Series(ids), n=pl.when("from_page").then(n), number=pl.int_range(pl.len()))


def _arms(draws: Draws) -> np.ndarray:
    """The arms of each answer as JSON."""
    names = [*ANCHORS, None]
    key = np.stack([draws.policy, draws.said.level, draws.anchor])
    kinds, which = np.unique(key, axis=1, return_inverse=True)
    told = []
    for policy, level, anchor in kinds.T.tolist():
        arm = {"policy": POLICIES[policy], "solicit": LEVELS[level], "anchor": names[anchor]}
        told.append(json.dumps({name: value for name, value in arm.items() if value}, sort_keys=True))
    return np.array(told)[which.reshape(-1)]


def _parts(draws: Draws) -> np.ndarray:
    """What was copied: code where the talk is of computers."""
    technical = np.array([topic == "computers" for topic in draws.corpus.topics])[draws.prompt[draws.exchange]]
    return np.where(technical, "code", "prose")

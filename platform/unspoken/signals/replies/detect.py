"""From turns to frames.REPLIES: each text is read once, each reply judged, each class weighed."""

import polars as pl

from unspoken.frames import REPLIES, check, empty
from unspoken.signals.replies.classifier import measured, trained
from unspoken.signals.replies.evidence import ALREADY_OPEN, OPEN, log_odds
from unspoken.signals.replies.judging import Encode, Kept, judge, look
from unspoken.signals.replies.turns import distinct


def replies(turns: pl.DataFrame, encode: Encode | None = None) -> pl.DataFrame:
    """frames.REPLIES of TURNS, sorted by message and reply; replies that say nothing have no row.

    `encode` gives sentence vectors (n, 384) of texts, the mean over tokens; without it the rules speak alone. Order and
    repetition of the turns change nothing; equal texts are read once.
    """
    rows = distinct(turns).filter(pl.col("text").str.strip_chars() != "")
    if rows.is_empty():
        return empty(REPLIES)
    exchanges = list(rows.select("text", pl.col("before").fill_null(""), "seconds").iter_rows())
    pairs = sorted({(before, text) for text, before, _ in exchanges})
    looks, x = look(pairs, encode)
    chances = [None] * len(pairs) if x is None else list(trained()(x))
    place = {pair: i for i, pair in enumerate(pairs)}
    kept = []
    for text, before, seconds in exchanges:
        i = place[before, text]
        kept.append(judge(looks[i], seconds, chances[i], measured()))
    spoken = rows.filter(pl.Series([one is not None for one in kept]))
    said = [one for one in kept if one is not None]
    open_before = _open_before(rows, kept)
    rates = measured()["rates"]
    los = []
    for one, prompt in zip(said, spoken["prompt"], strict=True):
        rate = rates[one.rates][one.reply_class]
        lo = log_odds(one.reply_class, one.p, rate["sensitivity"], rate["specificity"])
        los.append(lo * ALREADY_OPEN if one.reply_class in OPEN and prompt in open_before else lo)
    found = spoken.with_columns(
        pl.Series("reply_class", [one.reply_class for one in said], dtype=pl.String),
        pl.Series("p", [one.p for one in said], dtype=pl.Float64),
        pl.Series("lo", los, dtype=pl.Float64),
        pl.Series("how", [one.how for one in said], dtype=pl.String),
    )
    return check(found, REPLIES, "replies").sort("message", "reply")


def _open_before(rows: pl.DataFrame, kept: list[Kept | None]) -> set[str]:
    """Replies that complained: an answer to one of these answers a user who is already displeased."""
    return {
        reply for reply, one in zip(rows["reply"], kept, strict=True) if one is not None and one.reply_class in OPEN
    }

"""Closes that were inferred from a silence which a late event broke after all, and so are to be ignored.

An inferred close stands at the time of the last event that was heard, and says for how long nothing had come. Whatever
shows the same person (as far as is known) to be in the conversation within that time withdraws it: after a hide an act
or a real close, after the sign of a page in sight anything that such a page sends.
"""

import polars as pl

from unspoken.events import PRESENT

ACTS = (*PRESENT, "close")
COLUMNS = ("conversation", "user", "at", "kind", "role", "cause", "silent_ms")
IN_SIGHT = ("expose", "heartbeat", "view", "hide")
ANYBODY, NOBODY = "*", "?"  # no hash of a user is either


def withdrawn(events: pl.DataFrame) -> pl.Series:
    """Where in `events` (COLUMNS of frames.EVENTS, in any order) the withdrawn closes stand."""
    numbered = events.select(COLUMNS).with_row_index("number")
    inferred = numbered.filter((pl.col("kind") == "close") & (pl.col("cause") == "inferred"))
    if inferred.is_empty():
        return inferred["number"]
    talks = inferred["conversation"].unique().implode()
    around = numbered.lazy().filter(pl.col("conversation").is_in(talks))
    signs = around.filter(
        (
            pl.col("kind").is_in((*ACTS, *IN_SIGHT))
            & ~((pl.col("kind") == "close") & pl.col("cause").eq_missing("inferred"))
        )
        | ((pl.col("kind") == "message") & (pl.col("role") == "user"))
    ).select("conversation", "at", who="user", act=pl.col("kind").is_in((*ACTS, "message")))
    hides = around.filter(pl.col("kind") == "hide").select("conversation", "at", hid=pl.lit(True)).unique()
    asked = (
        inferred.lazy()
        .join(hides, on=["conversation", "at"], how="left")
        .select(
            "number",
            "conversation",
            "at",
            pl.col("hid").is_not_null(),
            until=pl.col("at") + pl.duration(milliseconds=pl.col("silent_ms").fill_null(0)),
            # Whoever is not known may be anybody.
            who=pl.when(pl.col("user").is_null())
            .then(pl.lit([ANYBODY]))
            .otherwise(pl.concat_list(pl.col("user"), pl.lit(NOBODY))),
        )
    )
    known = signs.with_columns(pl.col("who").fill_null(NOBODY))
    heard = pl.concat([known, known.with_columns(who=pl.lit(ANYBODY))])
    either = pl.concat(
        [heard.filter("act").with_columns(hid=pl.lit(True)), heard.with_columns(hid=pl.lit(False))]
    ).select("conversation", "who", "hid", "at", sign_at="at")
    found = (
        asked.explode("who")
        .sort("at")
        .join_asof(
            either.sort("at"), on="at", by=["conversation", "who", "hid"], strategy="forward",
            allow_exact_matches=False, check_sortedness=False,
        )
        .filter(pl.col("sign_at") <= pl.col("until"))
    )  # fmt: skip
    return found.select(pl.col("number").unique()).collect()["number"]

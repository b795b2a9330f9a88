"""A dataset's pairs and unpaired answers with their texts, and the rules that leave records out of an export."""

import polars as pl

from unspoken.pairs.folder import DatasetFolder
from unspoken.pairs.formats.format import Format, Rule, Unit

# A trainer takes a hard label for certain. To harden all would add coin flips, to harden none would throw away what two
# users' acts say about one prompt; at .75 one in four of the least sure rows is the wrong way round.
LEAST_P = 0.75


def records(dataset: DatasetFolder, unit: Unit) -> pl.DataFrame:
    """frames.PAIRS or frames.UNPAIRED with `turns` (what was answered), `roles` (theirs, by spaces) and texts.

    Pairs: `chosen_text`, `rejected_text`, `back_navigated` (of the chosen answer), `same_turns` (both answers have the
    same turns before them; the chosen one's are written). Unpaired: `text`. Their order is the dataset's.
    """
    texts = dataset.texts.select("message", "turns", "answer")
    if unit == "unpaired":
        joined = dataset.unpaired.join(
            texts.rename({"answer": "text"}), on="message", how="left", maintain_order="left"
        )
    else:
        chosen = texts.rename({"message": "chosen", "answer": "chosen_text"})
        rejected = texts.rename({"message": "rejected", "answer": "rejected_text", "turns": "rejected_turns"})
        back = dataset.episodes.filter("back_navigated")["message"]
        joined = (
            dataset.pairs.join(chosen, on="chosen", how="left", maintain_order="left")
            .join(rejected, on="rejected", how="left", maintain_order="left")
            .with_columns(
                pl.col("chosen").is_in(back.implode()).alias("back_navigated"),
                pl.col("turns").eq_missing(pl.col("rejected_turns")).alias("same_turns"),
                pl.col("chosen").alias("chosen_message"),
                pl.col("rejected").alias("rejected_message"),
            )
            .drop("chosen", "rejected", "rejected_turns")
        )
    return joined.with_columns(_contents("role").list.join(" ").alias("roles"))


def rules(form: Format, unit: Unit, least_p: float) -> list[Rule]:
    """What leaves a record out of this format, in the order in which it is counted."""
    found: list[Rule] = []
    if not form.holds_any_text:
        answers = ("text",) if unit == "unpaired" else ("chosen_text", "rejected_text")
        found += [
            ("an answer without text", pl.any_horizontal(_blank(pl.col(answer)) for answer in answers)),
            (
                "a turn without text before it",
                pl.col("turns").is_null() | _contents("content").list.eval(_blank(pl.element())).list.any(),
            ),
            ("what it answers is no turn of a user or a tool", ~pl.col("roles").str.contains(r"(^|\s)(user|tool)$")),
        ]
        if unit == "pairs":
            found.append(("both answers are the same text", pl.col("chosen_text") == pl.col("rejected_text")))
    found += form.cannot
    if unit == "pairs" and not form.holds_margin:
        by_place = (pl.col("margin") != 0) & ~pl.col("back_navigated")
        found.append(("the last generated answer was kept: this needs a margin, which the format has not", by_place))
    if not form.holds_p:
        unsure = pl.col("p") < least_p
        if unit == "unpaired":
            unsure &= pl.col("p") > 1 - least_p
        found.append((f"less sure than {least_p:g} of its label, and the format has hard labels only", unsure))
    return found


def _contents(field: str) -> pl.Expr:
    return pl.col("turns").list.eval(pl.element().struct.field(field))


def _blank(text: pl.Expr) -> pl.Expr:
    return text.is_null() | (text.str.strip_chars() == "")

"""OpenRLHF: its reward and DPO trainers, with --apply_chat_template and --prompt_key prompt."""

from unspoken.pairs.formats import trl
from unspoken.pairs.formats.format import Format

OPENRLHF = Format(
    "openrlhf",
    "OpenRLHF reward model: pairs with a margin",
    ("prompt", "chosen", "rejected", "margin"),
    trl.preference,
    holds_margin=True,
)

"""A dataset in the formats that trainers read. A record that a format cannot hold is counted, never bent to fit."""

from unspoken.errors import BadInput
from unspoken.pairs.formats import axolotl, k_wise, llama_factory, nemo_rl, openrlhf, parquet, swift, trl, verl
from unspoken.pairs.formats.format import Format

FORMATS = {
    form.name: form
    for form in (
        trl.REWARD,
        trl.DPO,
        trl.KTO,
        openrlhf.OPENRLHF,
        axolotl.REWARD,
        axolotl.DPO,
        llama_factory.RANKING,
        llama_factory.KTO,
        swift.SWIFT,
        nemo_rl.NEMO_RL,
        verl.VERL,
        k_wise.K_WISE,
        parquet.PARQUET,
    )
}


def named(name: str) -> Format:
    """The format of that name; BadInput lists those there are."""
    try:
        return FORMATS[name]
    except KeyError:
        raise BadInput(f"There is no format called {name!r}; there are {', '.join(FORMATS)}.") from None

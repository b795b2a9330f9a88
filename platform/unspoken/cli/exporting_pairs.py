"""`unspoken export pairs`: a dataset as a trainer reads it; `unspoken export formats`: for which trainers."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unspoken.cli.show import counted


class Family(StrEnum):
    """Which records are written."""

    stated = "stated"
    expressed = "expressed"
    revealed = "revealed"
    all = "all"


class Split(StrEnum):
    """Whose records are written: those of the people to train on, to test on, or both."""

    train = "train"
    test = "test"
    both = "both"


def pairs(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder, as `unspoken pairs` writes it.")],
    format_: Annotated[str, typer.Option("--format", help="One of those that `unspoken export formats` lists.")],
    out: Annotated[Path, typer.Option(help="The folder to write: data, README.md (the data card), manifest.json.")],
    family: Annotated[Family, typer.Option(help="all: each family in files of its own.")] = Family.all,
    split: Annotated[Split, typer.Option(help="both: train and test in files of their own.")] = Split.both,
    least_p: Annotated[
        float, typer.Option(help="How sure a label must be, at least, in a format that has hard labels only; .5 to 1.")
    ] = 0.75,
) -> None:
    """A dataset in the format of a trainer, with a data card, and an account of what the format cannot hold.

    Example: `unspoken pairs --project shop --out dataset`, then
    `unspoken export pairs dataset --format trl-reward --family revealed --out shop-revealed`.
    """
    from unspoken.pairs.folder import read
    from unspoken.pairs.formats import named
    from unspoken.pairs.formats.export import SPLITS, export

    form = named(format_)
    done = export(
        read(dataset),
        form,
        out,
        families=() if family == Family.all else (family.value,),
        splits=SPLITS if split == Split.both else (split.value,),
        least_p=least_p,
    )
    for each in done["files"]:
        typer.echo(f"{out / each['file']}: {counted(each['rows'], 'rows')}")
    for step in done["funnel"]:
        for drop in step["dropped"]:
            typer.echo(f"left out of {step['step']}: {drop['count']:,}, {drop['reason']}")
    typer.echo(f"Read {out / 'README.md'} before you train or share.")


def formats() -> None:
    """The formats that `unspoken export pairs` writes, with the trainers that read them.

    Example: `unspoken export formats`. What each of them holds and how to load it stands in docs/formats.md.
    """
    from unspoken.pairs.formats import FORMATS

    width = max(map(len, FORMATS))
    for form in FORMATS.values():
        typer.echo(f"{form.name:<{width}}  {form.says}")

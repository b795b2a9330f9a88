"""How a project's labels are made. A recipe is named on the project and stored with every dataset."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from unspoken.errors import BadInput


@dataclass(frozen=True)
class Recipe:
    """Choices that change labels; two datasets of one recipe and the same events are equal to the bit."""

    name: str
    unit: Literal["every answer", "first answer"] = "every answer"
    needs_opening: bool = False  # the conversation must begin with a given (system) text
    within_s: float | None = None  # answers slower than this are left out
    same_prompt: Literal["path", "opening"] = "path"  # which answers evaluation may compare
    stated: Literal["votes", "ratings"] = "votes"
    untouched_rating: float | None = None  # the control's default: all values there is no answer
    stated_user_known: bool = True
    revealed: Literal["factor", "acts", "continued"] = "factor"  # the label model, hand-set weights, or writing again
    user_cap: float = 20.0  # labels of one user count at most as this many
    test_share: float = 0.3  # share of people held out
    prompts_apart: bool = True  # no prompt stands on both sides either (see unspoken.pairs.split)
    salt: str = "unspoken/1"

    def as_dict(self) -> dict[str, Any]:
        """For the dataset row and the manifest."""
        return asdict(self)


RECIPES = {
    "chat": Recipe("chat"),
    "given-prompts": Recipe("given-prompts", prompts_apart=False),  # where everybody is given the same few prompts
    "chat-acts": Recipe("chat-acts", revealed="acts"),  # to compare the label model with
    # See sources/chitchat.py for the facts behind each choice.
    "chitchat": Recipe(
        "chitchat",
        unit="first answer",
        needs_opening=True,
        within_s=60.0,
        same_prompt="opening",
        stated="ratings",
        untouched_rating=5.0,
        stated_user_known=False,
        revealed="continued",
        prompts_apart=False,  # 35 given openings, everybody's: the verdict is about these
        test_share=0.5,  # both people must be held out, so a share s of people holds out about s² of the chats
    ),
}


def named(name: str) -> Recipe:
    """The recipe of that name; BadInput lists those there are."""
    try:
        return RECIPES[name]
    except KeyError:
        raise BadInput(f"There is no recipe called {name!r}; there are {', '.join(sorted(RECIPES))}.") from None

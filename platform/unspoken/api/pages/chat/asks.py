"""What the page's script asks for, checked, as the request that our proxy takes from any program."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unspoken.api.chat import asking
from unspoken.api.chat.asking import Asked
from unspoken.errors import BadInput

MOST_CHARS = 8_000  # of one message; the page cuts longer answers before it sends them back as history
MOST_TURNS = 60
MOST_TOKENS = 600  # of an answer
Id = Annotated[str, Field(min_length=8, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]


class Turn(BaseModel):
    """One message of the history."""

    model_config = ConfigDict(extra="forbid", strict=True)
    role: Literal["user", "assistant"]
    content: str = Field(min_length=1, max_length=MOST_CHARS)


class Wanted(BaseModel):
    """One answer. The ids are the page's, so that the SDK's events and the proxy's messages name the same things."""

    model_config = ConfigDict(extra="forbid", strict=True)
    messages: Annotated[list[Turn], Field(min_length=1, max_length=MOST_TURNS)]
    mode: Literal["none", "votes", "all"]
    conversation: Id | None = None
    prompt: Id | None = None
    parent: Id | None = None
    user: Id | None = None
    consent: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    arm: Annotated[dict[str, str], Field(max_length=10)] | None = None


@dataclass(frozen=True)
class Ask:
    """What goes to the proxy, and what the visitor agreed to."""

    asked: Asked
    mode: Literal["none", "votes", "all"]


def read(document: Any, model: str | None) -> Ask:
    """BadInput names what is off."""
    try:
        wanted = Wanted.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100] or "the body"
        if first["type"] == "string_too_long":
            raise BadInput(f"A message has up to {MOST_CHARS:,} characters here. Send a shorter one.") from error
        raise BadInput(f"`{where}`: {first['msg'][0].lower()}{first['msg'][1:]}.") from error
    if wanted.messages[-1].role != "user":
        raise BadInput("The newest message must be the user's; it is what is answered.")
    if wanted.mode != "none" and not (wanted.conversation and wanted.prompt and wanted.user and wanted.consent):
        raise BadInput("What is recorded needs `conversation`, `prompt`, `user` and `consent`; else `mode` is none.")
    body: dict[str, Any] = {
        "messages": [turn.model_dump() for turn in wanted.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": MOST_TOKENS,
    }
    if model:
        body["model"] = model
    if wanted.mode != "none":
        said = {name: getattr(wanted, name) for name in ("user", "conversation", "prompt", "parent", "consent", "arm")}
        body["metadata"] = {f"unspoken_{name}": value for name, value in said.items() if value is not None}
    return Ask(asking.read(msgspec.json.encode(body), {}), wanted.mode)

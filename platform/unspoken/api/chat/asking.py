"""What a request to the proxy says: who asks, in which conversation, and the turns of the history it sends along."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import msgspec

from unspoken.errors import BadInput, MalformedBody

PREFIX = "unspoken_"
NAMES = ("user", "conversation", "parent", "prompt", "page", "session", "device", "consent", "arm")
ENVELOPE = ("page", "session", "device", "consent", "arm")
# What widespread front ends send by themselves when told to forward who is chatting.
ALIASES = {"user": b"x-openwebui-user-id", "conversation": b"x-openwebui-chat-id"}
HEADER = b"x-unspoken-"
ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
LONGEST_NAME = 200
LONGEST_TEXT = 1_000_000  # characters, as in events.py; what is longer is cut


class _Said(msgspec.Struct):
    """What is read of a request."""

    messages: Any = None
    n: Any = None
    metadata: Any = None
    safety_identifier: Any = None
    user: Any = None


_said = msgspec.json.Decoder(_Said)


@dataclass(frozen=True, slots=True)
class Turn:
    """One item of `messages`. `mark` is what makes two turns the same: it knows images and calls apart, too."""

    role: str
    text: str
    mark: bytes
    meta: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read. `body` is what the upstream gets: the same bytes, but for what was said to us alone.

    `messages` are objects with a role that is known; `turns` reads the rest of them, while the upstream thinks.
    """

    body: bytes
    messages: list[dict[str, Any]]
    choices: int
    user: str | None = None
    conversation: str | None = None
    parent: str | None = None
    prompt: str | None = None
    envelope: dict[str, Any] = field(default_factory=dict)


def read(content: bytes, headers: Mapping[bytes, bytes]) -> Asked:
    """The request in a body; MalformedBody when it is not JSON, BadInput when it is no chat."""
    try:
        said = _said.decode(content)
    except msgspec.ValidationError as error:
        raise BadInput("A chat request is a JSON object with `messages`.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from error
    messages, choices, metadata = said.messages, said.n, said.metadata
    if not isinstance(messages, list) or not messages:
        raise BadInput("`messages` is missing or empty; it holds the history of the chat, the newest message last.")
    own = _own(metadata if isinstance(metadata, dict) else {}, headers)
    if "user" not in own:
        for theirs in (said.safety_identifier, said.user):
            if isinstance(theirs, str) and theirs:
                own["user"] = _name("user", theirs)
                break
    return Asked(
        body=_without_ours(content, metadata) if isinstance(metadata, dict) else content,
        messages=[_checked(place, item) for place, item in enumerate(messages)],
        choices=choices if type(choices) is int and 1 <= choices <= 128 else 1,
        **{name: own.get(name) for name in NAMES[:4]},
        envelope={name: own[name] for name in ENVELOPE if name in own},
    )


def turns(asked: Asked) -> tuple[Turn, ...]:
    """Its history, the newest turn last."""
    return tuple(_turn(item) for item in asked.messages)


def _own(metadata: dict[str, Any], headers: Mapping[bytes, bytes]) -> dict[str, Any]:
    """What the request says to this platform: in `metadata`, else in X-Unspoken headers, else in a front end's own."""
    said: dict[str, Any] = {}
    for each in headers:
        if each.startswith(HEADER) and (name := each.removeprefix(HEADER).decode("latin-1")) not in NAMES:
            known = ", ".join(f"X-Unspoken-{known.title()}" for known in NAMES)
            near = f" Did you mean X-Unspoken-{meant.title()}?" if (meant := _near(name, NAMES)) else ""
            raise BadInput(f"There is no header X-Unspoken-{name[:64].title()}.{near} There are {known}.")
    for name in NAMES:
        header = headers.get(HEADER + name.encode()) or headers.get(ALIASES.get(name, b""))
        if header:
            said[name] = header.decode("utf-8", "replace")
    for key, value in metadata.items():
        if key.startswith(PREFIX):
            name = key.removeprefix(PREFIX)
            if name not in NAMES:
                near = f" Did you mean `{PREFIX}{meant}`?" if (meant := _near(name, NAMES)) else ""
                known = ", ".join(PREFIX + each for each in NAMES)
                raise BadInput(f"`metadata` may say {known}; not `{key[:64]}`.{near}")
            said[name] = value
    return {name: _arm(value) if name == "arm" else _name(name, value) for name, value in said.items()}


def _name(name: str, value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_NAME or "\0" in value:
        raise BadInput(f"`{name}` (metadata `{PREFIX}{name}`) must be text of 1 to {LONGEST_NAME} characters, no NUL.")
    return value


def _arm(value: object) -> dict[str, Any]:
    """An object; OpenAI's metadata holds only text, so it may be JSON in a string."""
    try:
        said = msgspec.json.decode(value) if isinstance(value, str) else value
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput(f"`{PREFIX}arm` is not JSON: {error}.") from error
    if not isinstance(said, dict):
        raise BadInput(f'`{PREFIX}arm` must be an object, as in {{"policy": "b"}}.')
    return said


def _without_ours(content: bytes, metadata: dict[str, Any]) -> bytes:
    theirs = {key: value for key, value in metadata.items() if not key.startswith(PREFIX)}
    if len(theirs) == len(metadata):
        return content
    kept = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    del kept["metadata"]
    # Some upstreams refuse metadata that is there for no purpose of theirs, even an empty one.
    return msgspec.json.encode(kept | ({"metadata": msgspec.Raw(msgspec.json.encode(theirs))} if theirs else {}))


def _checked(place: int, item: object) -> dict[str, Any]:
    if not isinstance(item, dict) or not isinstance(said := item.get("role"), str):
        raise BadInput(f"`messages.{place}` must be an object with a `role`.")
    if said not in ROLES:
        near = f" Did you mean `{meant}`?" if (meant := _near(said, ROLES)) else ""
        raise BadInput(f"`messages.{place}.role` is `{clean(said[:64])}`, not one of {', '.join(ROLES)}.{near}")
    return item


def _turn(item: dict[str, Any]) -> Turn:
    text, shape = content_of(item.get("content"))
    calls = calls_of(item.get("tool_calls"))
    refusal = item.get("refusal")
    if not text and isinstance(refusal, str):
        text = refusal
    return Turn(ROLES[item["role"]], text, mark(text, calls, shape), {"tool_calls": names(calls)} if calls else None)


def _near(name: str, known: Iterable[str]) -> str | None:
    """The name that may have been meant."""
    return next(iter(get_close_matches(name[:64].lower(), list(known), 1)), None)


def content_of(content: object) -> tuple[str, bytes]:
    """The text of a message, and what tells its other parts from others: those stand in the text as "[image]"."""
    if isinstance(content, str):
        return clean(content), b""
    if not isinstance(content, list):
        return "", b""
    texts, others = [], []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "refusal") and isinstance(part.get(kind), str):
            texts.append(part[kind])
        else:
            said = str(kind or "part").removesuffix("_url").removeprefix("input_")
            texts.append(f"[{said[:40]}]")
            others.append(part)
    return clean("\n".join(texts)), msgspec.json.encode(others, order="deterministic") if others else b""


def calls_of(calls: object) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call of a tool."""
    found = []
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            found.append((str(call.get("id")), str(function.get("name")), str(function.get("arguments"))))
    return found


def names(calls: list[tuple[str, str, str]]) -> list[str]:
    """What an event may say of calls: which tools. Their arguments are texts, and texts stand in `messages` alone."""
    return [name[:64] for _, name, _ in calls[:32]]


def mark(text: str, calls: list[tuple[str, str, str]], shape: bytes = b"") -> bytes:
    """Equal for what is the same turn. Clients trim texts before they send them back, so the ends do not count."""
    return text.strip().encode("utf-8", "replace") + (
        b"\0" + msgspec.json.encode(calls) + b"\0" + shape if calls or shape else b""
    )


def clean(text: str) -> str:
    """As an event can hold it: no NUL, no half of a surrogate pair, not longer than it may be."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text[:LONGEST_TEXT]

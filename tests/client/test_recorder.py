"""The methods are the vocabulary, take what it takes, and need nothing but the standard library until they send."""

import inspect
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import get_args, get_type_hints
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken import events
from unspoken.client.recorder import Envelope, Recorder, new_id
from unspoken.errors import BadEvent

OWN = {name for name in vars(Recorder) if not name.startswith("_")} - {"conversation"}
ENVELOPE = set(get_type_hints(Envelope))


def taken(**defaults):
    """A recorder that answers each event as decoded JSON."""
    return Recorder(lambda _id, event: json.loads(event), {"conversation": "c1", **defaults})


def method(kind):
    return getattr(Recorder, "return_" if kind == "return" else kind)


def test_there_is_a_method_for_every_kind_and_no_other():
    assert {name.rstrip("_") for name in OWN} == set(events.KINDS)


@pytest.mark.parametrize("each", get_args(events.Event), ids=lambda each: each.__name__.lower())
def test_a_method_has_its_kinds_fields_and_needs_those_that_must_be_there(each):
    kind = each.__struct_config__.tag
    parameters = inspect.signature(method(kind)).parameters
    own = {name: one for name, one in parameters.items() if name not in ("self", "envelope")}
    fields = {one.name: one for one in msgspec.structs.fields(each)}
    assert own.keys() | ENVELOPE == fields.keys()
    needed = {name for name, one in own.items() if one.default is inspect.Parameter.empty}
    assert needed == {name for name, one in fields.items() if one.required} - {"id", "at", "conversation"}
    assert {one.kind for one in own.values()} == {inspect.Parameter.KEYWORD_ONLY}


def _literals(hint):
    """All literal values anywhere in a type hint."""
    inner = get_args(hint)
    return {one for one in inner if isinstance(one, str | int)}.union(*map(_literals, inner))


@pytest.mark.parametrize("each", get_args(events.Event), ids=lambda each: each.__name__.lower())
def test_a_method_takes_the_words_that_its_kind_takes(each):
    kind = each.__struct_config__.tag
    ours, theirs = get_type_hints(method(kind)), get_type_hints(each)
    for name in set(ours) & set(theirs):
        if words := {one for one in _literals(theirs[name]) if isinstance(one, str)}:
            assert _literals(ours[name]) == words, name


def example(kind):
    """Arguments of every sort that a method takes, whatever they mean."""
    values = {"str": "m1", "int": 3, "float": 0.5, "bool": True, "list[str]": ["m2"], "dict[str, typing.Any]": {"a": 1}}
    given: dict[str, object] = {"lowest": 0, "highest": 5} if kind == "rating" else {}
    for name, parameter in inspect.signature(method(kind)).parameters.items():
        if name in ("self", "envelope") or name in given or (kind == "choice" and name in ("order", "tie")):
            continue
        hint = parameter.annotation
        words = sorted(_literals(hint), key=str)
        sort = str(get_args(hint)[0] if get_args(hint) and "None" in str(hint) else hint)
        given[name] = words[0] if words else values[sort.removeprefix("<class '").removesuffix("'>")]
    return {**given, "parent": "m0"} if kind == "message" else given


@pytest.mark.parametrize("kind", events.KINDS)
def test_an_event_with_all_its_fields_is_one_of_the_vocabulary(kind):
    recorder = taken(user="ann", consent="2026-10:service", page="p", session="s", device="phone", arm={"policy": "b"})
    said = getattr(recorder, method(kind).__name__)(**example(kind), n=4)
    assert said["kind"] == kind
    assert events.parse(said).kind == kind
    assert {"user", "consent", "page", "session", "device", "arm", "n"} <= said.keys()


def test_defaults_hold_until_an_event_says_otherwise():
    chat = taken(user="ann", consent="2026-10:service").conversation("c7", page="p1")
    said = chat.vote(message="m1", value=1)
    assert (said["conversation"], said["user"], said["page"]) == ("c7", "ann", "p1")
    said = chat.vote(message="m1", value=1, user="bob", page=None)
    assert said["user"] == "bob"
    assert "page" not in said


def test_an_event_without_a_conversation_is_said_at_once():
    with pytest.raises(BadEvent, match="needs a conversation"):
        Recorder(lambda _id, event: event, {}).vote(message="m1", value=1)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"value": 2}, "one of 1, 0, -1"),
        ({"value": True}, "one of 1, 0, -1"),
        ({"value": "1"}, "one of 1, 0, -1"),
        ({"message": 7}, "a string is needed"),
        ({"reasons": "rude"}, "a list of strings"),
        ({"reasons": [1]}, "a list of strings"),
        ({"usr": "ann"}, "Did you mean `user`"),
        ({"n": True}, "a whole number"),
        ({"device": "watch"}, "'phone'"),
        ({"at": datetime(2026, 10, 1)}, "a datetime with a timezone"),
        ({"arm": {"policy": float("nan")}}, "no JSON"),
        ({"arm": {"policy": object()}}, "no JSON"),
        ({"message": "half \ud800"}, "no JSON"),
    ],
)
def test_arguments_that_are_of_no_use_are_a_clear_error_at_once(fields, said):
    with pytest.raises(BadEvent, match=said):
        taken().vote(**{"message": "m1", "value": 1, **fields})


def test_a_wrong_default_is_an_error_at_once():
    with pytest.raises(BadEvent, match="`consent`"):
        taken(consent=["service"])


@given(st.text(st.characters(codec=None)))
def test_whatever_people_wrote_can_be_sent(text):
    said = taken().message(message="m1", role="user", text=text)
    assert events.parse(said).kind == "message"
    assert len(said["text"]) == len(text)
    if "\0" not in text and text.isprintable():
        assert said["text"] == text


def test_a_time_may_be_given_in_every_form_of_the_vocabulary():
    at = datetime(2026, 10, 1, 12, tzinfo=UTC)
    for form in (at, at.isoformat(), int(at.timestamp() * 1000)):
        assert events.parse(taken().share(at=form)).at == at


def test_ids_are_version_7_and_of_now():
    before = time.time_ns() // 1_000_000
    made = [UUID(new_id()) for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 1000
    for one in made:
        assert (one.version, one.variant) == (7, "specified in RFC 4122")
        assert before <= one.int >> 80 <= after


def test_importing_the_client_loads_nothing_of_the_platform_or_of_others():
    program = "import sys; import unspoken.client; print(*{name.partition('.')[0] for name in sys.modules})"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    loaded = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    foreign = set(loaded.stdout.split()) - set(sys.stdlib_module_names)
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert foreign - {name.partition(".")[0] for name in bare.stdout.split()} == {"unspoken"}


def test_a_client_needs_httpx_and_no_other_package(folder):
    program = """
import sys
from unspoken.client import Client
Client("http://127.0.0.1:9", "k", folder=sys.argv[1]).shutdown(0)
print(*{name.partition(".")[0] for name in sys.modules})
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program, folder], env=environment, capture_output=True, text=True, check=True
    )
    heavy = {"msgspec", "pydantic", "sqlalchemy", "fastapi", "starlette", "polars", "torch", "celery", "typer"}
    assert heavy & set(done.stdout.split()) == set()
    ours = [name for name in done.stdout.split() if name == "unspoken"]
    assert ours == ["unspoken"]

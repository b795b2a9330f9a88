"""What a key opens: pages a write key is for, message tokens, and browsers that ask not to be followed."""

import asyncio

import pytest

from unspoken.api.doors import Doors
from unspoken.events import REVEALED
from unspoken.store import keys, projects, tokens
from unspoken.store.database import transaction

PATH = "/v1/events"


@pytest.fixture
def token(engine, project):
    """A token for ann to speak of m1."""
    with transaction(engine) as session:
        key, _ = keys.create(session, project.id, "secret")
        return tokens.issue(projects.get(session, "chat"), key.id, "m1", "ann", 600)[0]


def test_a_write_key_is_for_its_pages(stranger, key_of, make_event, count):
    key = key_of("write", origins=["https://chat.example", "http://localhost:3000"])
    for origin, status in (
        ("https://chat.example", 200),
        ("http://localhost:3000", 200),
        ("https://chat.example.evil.example", 403),
        ("http://chat.example", 403),
        ("null", 403),
        ("", 403),
    ):
        headers = {"origin": origin} if origin else {}
        answer = stranger.post(f"{PATH}?key={key}", json=make_event(), headers=headers)
        assert answer.status_code == status, origin
        assert answer.headers["access-control-allow-origin"] == "*"
        if status == 403:
            assert "https://chat.example" in answer.json()["detail"]
    assert count() == 2


def test_a_token_speaks_of_its_message_for_its_user(stranger, token, make_event, count):
    mine = {"user": "ann"}
    batch = [
        make_event("vote", **mine),
        make_event("copy", **mine),
        make_event("vote", user="bob"),
        make_event("vote"),
        make_event("vote", message="m2", **mine),
        make_event("message", **mine),
        make_event("hide", **mine) | {"message": None},
    ]
    answer = stranger.post(f"{PATH}?key={token}", json=batch)
    assert answer.status_code == 207
    body = answer.json()
    assert body["stored"] == 2
    assert [(item["item"], item["status"]) for item in body["items"]] == [(place, 403) for place in range(2, 7)]
    assert "another user" in body["items"][0]["detail"]
    assert "'m1'" in body["items"][2]["detail"]
    assert "`message` event" in body["items"][3]["detail"]
    assert count() == 2


def test_a_token_goes_in_the_header_as_well_and_one_that_was_changed_goes_nowhere(stranger, token, make_event):
    event = make_event("vote", user="ann")
    assert stranger.post(PATH, json=event, headers={"authorization": f"Bearer {token}"}).json()["stored"] == 1
    changed = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    assert stranger.post(f"{PATH}?key={changed}", json=event).status_code == 401


@pytest.mark.parametrize("signal", [{"sec-gpc": "1"}, {"dnt": "1"}])
def test_behaviour_of_who_asks_not_to_be_followed_is_not_stored(stranger, key_of, make_event, count, signal):
    url = f"{PATH}?key={key_of('write')}"
    batch = [make_event(kind) for kind in ("message", "vote", "copy", *REVEALED)]
    answer = stranger.post(url, json=batch, headers=signal)
    assert (answer.status_code, answer.json()) == (200, {"stored": 2, "repeated": 0, "declined": 1 + len(REVEALED)})
    alone = stranger.post(url, json=make_event("stop"), headers=signal)
    assert (alone.status_code, alone.json()) == (200, {"stored": 0, "repeated": 0, "declined": 1})
    beside = stranger.post(url, json=[make_event("stop"), make_event(value=9)], headers=signal)
    assert (beside.status_code, beside.json()["declined"], len(beside.json()["items"])) == (207, 1, 1)
    assert count() == 2


def test_a_server_that_speaks_for_itself_and_a_signal_that_says_no_are_not_asked(stranger, client, key_of, make_event):
    event = make_event("copy")
    assert client.post(PATH, json=event, headers={"sec-gpc": "1"}).json() == {"stored": 1, "repeated": 0}
    url = f"{PATH}?key={key_of('write')}"
    for signal in ({"dnt": "0"}, {"sec-gpc": "0"}, {"dnt": "null"}):
        assert stranger.post(url, json=make_event("copy"), headers=signal).json() == {"stored": 1, "repeated": 0}


def test_the_tokens_holder_is_asked_as_well(stranger, token, make_event):
    batch = [make_event("vote", user="ann"), make_event("copy", user="ann")]
    answer = stranger.post(f"{PATH}?key={token}", json=batch, headers={"sec-gpc": "1"})
    assert answer.json() == {"stored": 1, "repeated": 0, "declined": 1}


def test_a_token_chooses_between_its_message_and_others_only(stranger, token, make_event, count):
    mine = make_event("choice", user="ann")
    theirs = mine | {"id": make_event()["id"], "message": "m1", "chosen": "m8", "rejected": ["m9"], "order": None}
    own = mine | {"id": make_event()["id"], "message": "m1", "chosen": "m1", "rejected": ["m9"], "order": None}
    answer = stranger.post(f"{PATH}?key={token}", json=[theirs, own])
    assert (answer.json()["stored"], [item["item"] for item in answer.json()["items"]]) == (1, [0])


def test_a_key_in_many_spellings_takes_no_more_room(engine, key_of):
    doors, key = Doors(engine), key_of("write").encode()
    for spaces in range(5):
        asyncio.run(doors.of({b"authorization": b"Bearer " + b" " * (1 + spaces * 5_000) + key}, b""))
    assert len(doors._doors) == 1

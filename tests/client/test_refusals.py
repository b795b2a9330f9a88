"""What the client does with every answer that is no yes."""

import email.utils
import json
import logging
import time

import pytest

from unspoken.client import Refused
from unspoken.client.post import LONGEST_PAUSE_S, LONGEST_RETRY_AFTER_S, Again, Post, pause_s
from unspoken.client.sender import Complaint
from unspoken.errors import BadInput, Unavailable


def events(count):
    return [json.dumps({"id": f"e{number}"}).encode() for number in range(count)]


@pytest.fixture
def deliver(faulty):
    """Delivers so many events to the faulty server."""
    with Post(faulty.url, "k") as sending:
        yield lambda count: sending.deliver(events(count))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_passes_is_sent_again_with_the_same_ids(faulty, connect, status):
    faulty.script = [(status, {"Retry-After": "0"}, b"busy")]
    client = connect(faulty.url)
    ids = [client.vote(conversation="c1", message="m1", value=1) for _ in range(3)]
    assert client.flush(300)
    assert [[event["id"] for event in asked] for asked in faulty.asked] == [ids, ids]
    assert faulty.taken == ids
    assert client.refused() == []


def test_retry_after_is_read_as_seconds_and_as_a_date(faulty, deliver):
    soon = email.utils.formatdate(time.time() + 100, usegmt=True)
    faulty.script = [(503, {"Retry-After": said}, b"") for said in ("7", soon, "soon")]
    seconds, date, neither = (deliver(1).again.after_s for _ in range(3))
    assert seconds == 7
    assert 0 < date <= 100
    assert neither is None


def test_the_server_is_given_the_time_it_asked_for_within_reason():
    for failures in (1, 2, 9, 10_000):
        assert 7 <= pause_s(failures, Again("busy", after_s=7)) <= 7 * 1.25
        assert 0 < pause_s(failures, Again("busy")) <= LONGEST_PAUSE_S
        assert pause_s(failures, Again("busy", after_s=1e9)) <= LONGEST_RETRY_AFTER_S * 1.25
    assert len({pause_s(3, Again("busy")) for _ in range(10)}) == 10


def test_a_refused_event_is_dropped_reported_and_kept_to_look_at(server, connect, caplog):
    seen: list[Refused] = []
    client = connect(server.url, server.key, on_refused=seen.append)
    good = client.vote(conversation="c1", message="m1", value=1)
    bad = client.pause(conversation="c1", ms=-5)
    other = client.vote(conversation="c1", message="m1", value=0)
    assert client.flush(300)
    assert sorted(server.stored()) == sorted([good, other])
    (refused,) = client.refused()
    assert (refused.id, refused.status, refused.event["ms"]) == (bad, 422, -5)
    assert "`ms`" in refused.detail
    assert seen == [refused]
    assert bad in caplog.text and refused.detail in caplog.text


def test_a_flush_returns_after_what_was_refused_is_reported_and_may_be_called_in_the_report(server, connect):
    seen: list[str] = []

    def report(refused: Refused) -> None:
        time.sleep(0.3)
        assert client.flush(300)
        seen.append(refused.id)

    client = connect(server.url, server.key, on_refused=report)
    bad = [client.pause(conversation="c1", ms=-5) for _ in range(2)]
    assert client.flush(300)
    assert seen == bad


def test_a_shutdown_in_each_report_waits_for_nobody_and_starts_nothing_again(server, connect):
    done: list[bool] = []

    def report(_: Refused) -> None:
        done.append(client.shutdown(300))

    client = connect(server.url, server.key, on_refused=report)
    start = time.monotonic()
    for _ in range(3):
        client.pause(conversation="c1", ms=-5)
    assert client.flush(300)
    assert done == [True] * 3
    assert time.monotonic() - start < 150
    assert client._sender._thread is None


def test_a_refused_event_alone_in_its_batch_is_dropped_too(server, connect):
    client = connect(server.url, server.key)
    bad = client.pause(conversation="c1", ms=-5)
    assert client.flush(300)
    assert [refused.id for refused in client.refused()] == [bad]


def test_a_write_key_that_may_not_append_answers_loses_those_alone(server, connect):
    client = connect(server.url, server.write_key)
    answer = client.message(conversation="c1", message="m1", role="assistant", text="Water it.")
    vote = client.vote(conversation="c1", message="m1", value=1)
    assert client.flush(300)
    assert server.stored() == [vote]
    assert [(refused.id, refused.status) for refused in client.refused()] == [(answer, 403)]


def test_a_callback_that_fails_stops_nothing(server, connect):
    def fail(_):
        raise RuntimeError

    client = connect(server.url, server.key, on_refused=fail)
    client.pause(conversation="c1", ms=-5)
    assert client.flush(300)
    good = client.vote(conversation="c1", message="m1", value=1)
    assert client.flush(300)
    assert server.stored() == [good]


def test_a_wrong_key_costs_no_event(server, connect, caplog):
    client = connect(server.url, "uns_secret_wrong")
    vote = client.vote(conversation="c1", message="m1", value=1)
    while "401" not in caplog.text:
        assert not client.flush(0.1)
    assert client.refused() == []
    client.shutdown(0)
    again = connect(server.url, server.key)
    assert again.flush(300)
    assert server.stored() == [vote]
    assert "were taken for another server or key" in caplog.text


def test_only_a_server_of_ours_can_make_the_client_drop_events(faulty, deliver):
    strangers = [
        (200, {"Content-Type": "text/html"}, b"<h1>Log in</h1>"),
        (200, {}, b'{"ok": true}'),
        (200, {}, b"[]"),
        (301, {"Location": "https://elsewhere.example/v1/events"}, b""),
        (400, {}, b"Bad request"),
        (404, {}, b"Not found"),
        (422, {}, b'{"detail": "of another program"}'),
    ]
    faulty.script = list(strangers)
    for _ in strangers:
        delivery = deliver(3)
        assert (delivery.settled, delivery.refused) == ([], [])
        assert delivery.again and delivery.again.person and "no Unspoken server" in delivery.again.reason
    assert len(faulty.asked) == len(strangers)


def test_what_is_too_large_goes_in_halves(faulty, deliver):
    def at_most_two(events):
        if len(events) <= 2:
            return 200, {}, json.dumps({"stored": len(events), "repeated": 0}).encode()
        faulty.script.append(at_most_two)
        faulty.script.append(at_most_two)
        return 413, {"Content-Type": "text/html"}, b"<h1>413</h1>"  # as nginx says it

    faulty.script = [at_most_two]
    delivery = deliver(11)
    assert (delivery.stored, delivery.settled, delivery.again) == (11, list(range(11)), None)
    sent = [event["id"] for asked in faulty.asked if len(asked) <= 2 for event in asked]
    assert sent == [f"e{number}" for number in range(11)]


def test_one_event_that_is_too_large_alone_is_refused(faulty, deliver):
    faulty.script = [(413, {}, b"")]
    (refusal,) = deliver(1).refused
    assert (refusal.place, refusal.status) == (0, 413)


def test_one_event_that_spoils_a_batch_is_found_and_the_others_are_stored(faulty, deliver):
    def no_e5(events):
        faulty.script.append(no_e5)
        if any(event["id"] == "e5" for event in events):
            return faulty.problem(400, "malformed-body", "The body is not JSON.")
        return 200, {}, json.dumps({"stored": len(events), "repeated": 0}).encode()

    faulty.script = [no_e5]
    delivery = deliver(9)
    assert [(refusal.place, refusal.detail) for refusal in delivery.refused] == [(5, "The body is not JSON.")]
    assert (delivery.stored, sorted(delivery.settled)) == (8, list(range(9)))


def test_a_server_that_fails_halfway_gets_the_second_half_again(faulty, deliver):
    ok: tuple[int, dict[str, str], bytes] = 200, {}, b'{"stored": 2, "repeated": 0}'
    faulty.script = [(413, {}, b""), ok, (503, {"Retry-After": "3"}, b"")]
    delivery = deliver(4)
    assert (delivery.settled, delivery.again.after_s) == ([0, 1], 3)


def test_an_item_that_may_pass_later_is_neither_stored_nor_refused(faulty, deliver):
    body = {"stored": 1, "repeated": 1, "items": [{"item": 1, "id": "e1", "status": 503, "detail": "later"}]}
    faulty.script = [(207, {}, json.dumps(body).encode())]
    delivery = deliver(3)
    assert (delivery.settled, delivery.refused) == ([0, 2], [])
    assert delivery.again.reason == "503 later"


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "nonsense",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://a b",
        "http://h?q=1",
        "http://xn--a.b",
        "http://a..b",
        "",
    ],
)
def test_an_address_that_is_none_is_said_at_once(connect, url):
    with pytest.raises(BadInput, match="no address of a server"):
        connect(url)


@pytest.mark.parametrize("key", ["", "schlüssel", "two words", "line\nbreak"])
def test_a_key_that_is_none_is_said_at_once_and_not_repeated(connect, key):
    with pytest.raises(BadInput) as raised:
        connect("http://127.0.0.1:9", key)
    assert not key or key not in raised.value.detail


def test_a_path_before_ours_is_kept():
    with Post("https://host.example/unspoken/", "k") as sending:
        assert sending.address == "https://host.example/unspoken/v1/events"


def test_two_projects_of_one_program_cannot_share_a_folder(connect):
    connect("http://127.0.0.1:9", "one")
    with pytest.raises(BadInput, match="folder of its own"):
        connect("http://127.0.0.1:9", "another")


def test_a_folder_that_cannot_be_used_is_said_at_once(connect, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be used"):
        connect("http://127.0.0.1:9", folder=tmp_path / "file")
    (tmp_path / "outbox.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(Unavailable, match="cannot be used"):
        connect("http://127.0.0.1:9", folder=tmp_path)


def test_a_full_queue_keeps_what_it_has_and_says_what_it_drops(server, connect, caplog):
    server.stop()
    client = connect(server.url, server.key, limit_bytes=200_000, interval_s=1000)
    text = "x" * 1000
    ids = [client.message(conversation="c1", message=f"m{n}", role="user", text=text) for n in range(300)]
    assert client.dropped and client.waiting == 300 - client.dropped
    assert "took no event" in caplog.text
    assert len([record for record in caplog.records if "took no event" in record.message]) == 1
    server.start()
    assert client.flush(300)
    assert sorted(server.stored()) == sorted(ids[: 300 - client.dropped])
    client.message(conversation="c1", message="later", role="user", text=text)
    assert client.flush(300)
    assert len(server.stored()) == 300 - client.dropped + 1
    assert "has room again" in caplog.text


def test_a_full_queue_raises_for_those_who_ask_for_it(connect):
    client = connect("http://127.0.0.1:9", limit_bytes=100_000, interval_s=1000, full="raise")
    with pytest.raises(Unavailable, match="took no event"):
        for number in range(300):
            client.message(conversation="c1", message=f"m{number}", role="user", text="x" * 1000)


def test_only_the_newest_refused_events_are_kept(folder):
    from unspoken.client.outbox import KEPT_REFUSED, Outbox

    outbox = Outbox(folder, 10_000_000)
    for _ in range(3):
        outbox.settle([], [(1e9, 422, "no", b'{"id": "e%d"}' % number) for number in range(KEPT_REFUSED)])
    outbox.settle([], [(1e9, 422, "no", b'{"id": "last"}')])
    kept = outbox.refused()
    assert len(kept) == KEPT_REFUSED
    assert [kept[0].id, kept[-1].id] == ["e1", "last"]
    outbox.close()


def test_a_trouble_that_lasts_is_said_at_once_and_then_rarely(caplog):
    complaint = Complaint()
    for _ in range(100):
        complaint.say(logging.ERROR, "trouble")
    complaint.over("well again")
    complaint.over("well again")
    assert [record.message for record in caplog.records] == ["trouble", "well again"]

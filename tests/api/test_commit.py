"""Nothing is acknowledged before it is committed: a server killed right after its answer has kept what it promised."""

import signal

import httpx


def test_what_was_answered_survives_kill_9(database_url, key_of, make_event, serve, count):
    server = serve(database_url)
    batch = [make_event("vote") for _ in range(200)]
    where = f"{server.url}/v1/events?key={key_of('write')}"
    answer = httpx.post(where, json=batch, timeout=120, trust_env=False)
    server.end(signal.SIGKILL)
    assert answer.json() == {"stored": 200, "repeated": 0}
    assert count() == 200

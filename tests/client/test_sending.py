"""`unspoken import … --send` delivers by the client's code, and docs/python.md works when pasted."""

import re
from pathlib import Path
from typing import Any

import pytest

from unspoken.cli import sending as sender
from unspoken.cli.sending import sending
from unspoken.errors import BadInput, NotSignedIn, Unavailable
from unspoken.sources.position import Tally

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def send(url, key, batch, simulated=None):
    tally = Tally()
    with sending(url, key, simulated) as write:
        write(batch, tally)
    return tally


def test_an_import_counts_what_was_stored_repeated_and_refused(server, make_event):
    batch = [make_event("vote") for _ in range(5)]
    assert send(server.url, server.key, batch).stored == 5
    tally = send(server.url, server.key, [*batch, make_event("pause", ms=-1), make_event("vote", comment="\ud800")])
    assert (tally.stored, tally.repeated, tally.refused) == (0, 5, 2)
    assert "`ms`" in tally.first_reason or "JSON" in tally.first_reason
    assert sorted(server.stored()) == sorted(event["id"] for event in batch)


def test_an_import_goes_on_when_the_server_was_busy(faulty, make_event):
    faulty.script = [(503, {"Retry-After": "0"}, b""), (429, {"Retry-After": "0"}, b"")]
    batch = [make_event("vote") for _ in range(3)]
    assert send(faulty.url, "k", batch).stored == 3
    assert faulty.taken == [event["id"] for event in batch]


def test_an_import_ends_at_once_where_nothing_answers(make_event):
    with pytest.raises(Unavailable, match="cannot be reached"):
        send("http://127.0.0.1:9", "k", [make_event("vote")])


def test_an_import_with_a_wrong_key_ends_at_once(server, make_event):
    with pytest.raises(NotSignedIn, match="401"):
        send(server.url, "uns_secret_wrong", [make_event("vote")])


def test_an_import_to_another_program_ends_at_once(faulty, make_event):
    faulty.script = [(404, {}, b"<h1>Not found</h1>")]
    with pytest.raises(BadInput, match="no Unspoken server"):
        send(faulty.url, "k", [make_event("vote")])
    assert len(faulty.asked) == 1


def test_a_server_that_cannot_be_told_whether_people_exist_gets_nothing(server, make_event, monkeypatch):
    monkeypatch.setattr(sender, "MARKED", "/v1/project/of-later")
    with pytest.raises(BadInput, match=r"nothing was sent: 404 .* older than this command"):
        send(server.url, server.key, [make_event("vote")], simulated=True)
    assert not server.stored()


def test_the_ten_lines_of_the_docs_work_when_pasted(server, tmp_path, monkeypatch):
    (lines, _asyncio) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(lines.replace("http://localhost:8000", server.url).replace("uns_secret_…", server.key), names)
    assert names["client"].shutdown(300)
    assert len(server.stored()) == 3

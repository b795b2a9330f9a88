"""From a call in the host program to a row in the database, whatever happens on the way."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

from unspoken.client import AsyncClient
from unspoken.client.outbox import Outbox


def run(program, *arguments, **more):
    """A host program of its own; `python` is what it is called with."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        **more,
    )


def test_three_lines_bring_a_vote_to_the_database(server, connect):
    client = connect(server.url, server.key)
    chat = client.conversation("c1", user="ann")
    ids = [chat.message(message="m1", role="assistant", text="Water it from below."), chat.vote(message="m1", value=1)]
    assert client.flush(300)
    assert sorted(server.stored()) == sorted(ids)
    assert client.waiting == 0


def test_the_twin_for_asyncio_does_the_same(server, folder):
    async def host():
        async with AsyncClient(server.url, server.key, folder=folder) as client:
            chat = client.conversation("c1", user="ann")
            first = await chat.message(message="m1", role="assistant", text="Water it from below.")
            others = await asyncio.gather(*(chat.vote(message="m1", value=1) for _ in range(50)))
            forgotten = chat.vote(message="m1", value=0)  # nobody awaits it
            assert await client.flush(300)
            return [first, *others, await forgotten]

    assert set(asyncio.run(host())) == set(server.stored())
    assert len(server.stored()) == 52


def test_a_vote_survives_kill_9_of_the_host_program(server, folder, connect):
    program = """
import os, signal, sys
from unspoken.client import Client
client = Client("http://127.0.0.1:9", sys.argv[1], folder=sys.argv[2], interval_s=1000)
for _ in range(100):
    print(client.vote(conversation="c1", message="m1", value=1), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    host = run(program, server.key, folder)
    ids = host.communicate(timeout=600)[0].split()
    assert host.returncode == -signal.SIGKILL
    assert len(ids) == 100
    client = connect(server.url, server.key)  # the next start sends them unasked
    assert client.flush(300)
    assert sorted(server.stored()) == sorted(ids)


def test_a_server_that_was_away_gets_everything_once(server, connect):
    server.stop()
    client = connect(server.url, server.key, interval_s=0.01, batch_events=50)
    ids = [client.vote(conversation="c1", message=f"m{n}", value=1) for n in range(500)]
    assert not client.flush(0.2)
    assert client.waiting == 500
    server.start()
    assert client.flush(300)
    assert sorted(server.stored()) == sorted(ids)


def test_the_end_of_the_program_sends_what_is_left(server, folder):
    program = """
import sys
from unspoken.client import Client
client = Client(*sys.argv[1:3], folder=sys.argv[3], interval_s=1000, exit_s=300)
print(client.vote(conversation="c1", message="m1", value=1))
"""
    host = run(program, server.url, server.key, folder)
    said = host.communicate(timeout=600)[0].split()
    assert host.returncode == 0
    assert sorted(server.stored()) == sorted(said)


def test_a_server_that_is_away_does_not_hold_up_the_end(folder, connect):
    program = """
import sys
from unspoken.client import Client
client = Client("http://127.0.0.1:9", "k", folder=sys.argv[1], interval_s=1000, exit_s=1e6)
client.vote(conversation="c1", message="m1", value=1)
"""
    host = run(program, folder, stderr=subprocess.DEVNULL)
    host.communicate(timeout=600)
    assert host.returncode == 0
    assert connect("http://127.0.0.1:9", interval_s=1000).waiting == 1


def test_forks_of_a_loaded_program_lose_and_double_nothing(server, folder):
    """As gunicorn does with --preload: the client is made, and used, before the workers are."""
    program = """
import os, sys
from unspoken.client import Client
client = Client(*sys.argv[1:3], folder=sys.argv[3], interval_s=0.01, batch_events=20)
def use(who):
    for n in range(200):
        os.write(1, f"{client.vote(conversation=who, message='m1', value=1)}\\n".encode())  # in one piece
use("master")
children = []
for worker in range(4):
    if not (child := os.fork()):
        use(f"worker{worker}")
        assert client.flush(300)
        os._exit(0)
    children.append(child)
use("master")
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
assert client.flush(300)
"""
    host = run(program, server.url, server.key, folder)
    ids = host.communicate(timeout=600)[0].split()
    assert host.returncode == 0
    assert len(ids) == len(set(ids)) == 1200
    assert sorted(server.stored()) == sorted(ids)


def test_several_processes_on_one_folder_send_nothing_twice(faulty, folder):
    program = """
import sys
from unspoken.client import Client
with Client(sys.argv[1], "k", folder=sys.argv[2], interval_s=0.01, batch_events=10) as client:
    for n in range(300):
        print(client.vote(conversation="c1", message="m1", value=1))
    assert client.flush(300)
"""
    hosts = [run(program, faulty.url, folder) for _ in range(3)]
    ids = [one for host in hosts for one in host.communicate(timeout=600)[0].split()]
    assert [host.returncode for host in hosts] == [0, 0, 0]
    assert len(ids) == 900
    assert sorted(faulty.taken) == sorted(ids)


def test_threads_may_share_a_client(server, connect):
    client = connect(server.url, server.key, interval_s=0.01)
    ids = []

    def use():
        ids.extend([client.vote(conversation="c1", message="m1", value=1) for _ in range(100)])

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(300)
    assert sorted(server.stored()) == sorted(ids)


def test_a_client_that_was_shut_down_still_keeps_and_sends(server, connect):
    client = connect(server.url, server.key, interval_s=1000)
    first = client.vote(conversation="c1", message="m1", value=1)
    assert client.shutdown(300)
    second = client.vote(conversation="c1", message="m1", value=0)
    assert client.shutdown(300)
    assert server.stored() == [first, second]


def test_a_flush_that_waits_for_another_process_leaves_it_the_processor(faulty, folder, connect):
    other = Outbox(folder, 10_000_000)
    assert other.lead()
    client = connect(faulty.url, interval_s=1000)
    client.vote(conversation="c1", message="m1", value=1)
    assert not client.flush(1)
    assert client._sender._rounds < 50
    other.close()
    assert client.flush(300)  # the other is gone: its place is taken at once, whatever the interval
    assert len(faulty.taken) == 1


def test_a_client_that_is_shut_down_ends_the_batch_that_is_on_its_way(faulty, folder, connect):
    """Of another process's events, that is: the next one to lead would send it once more."""
    other, answered = Outbox(folder, 10_000_000), []

    def slow(events):
        answered.append(len(faulty.asked))
        if len(faulty.asked) == 1:
            time.sleep(0.2)  # until the one who shuts down has looked what there is to wait for
            other.append(b'{"id": "theirs"}')
            faulty.script.append(slow)
        else:
            time.sleep(0.5)
        return 200, {}, b'{"stored": 1, "repeated": 0}'

    faulty.script = [slow]
    client = connect(faulty.url, interval_s=0.01)
    client.vote(conversation="c1", message="m1", value=1)
    while not answered:
        time.sleep(0.01)
    assert client.shutdown(300)
    assert other.waiting() == 2 - len(faulty.asked)  # what was sent is settled; most often it was
    other.close()

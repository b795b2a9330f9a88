"""The Python SDK: a line per event, on disk before it returns, delivered in the background.

    from unspoken.client import Client

    client = Client("http://localhost:8000", key)
    chat = client.conversation("c1", user="ann")
    chat.message(message="m2", role="assistant", text="Water it from below.")
    chat.vote(message="m2", value=1)

Needs httpx and nothing else of what the platform needs. What is guaranteed: docs/python.md.
"""

from unspoken.client.clients import AsyncClient, Client
from unspoken.client.outbox import Refused
from unspoken.client.recorder import Recorder

__all__ = ["AsyncClient", "Client", "Recorder", "Refused"]

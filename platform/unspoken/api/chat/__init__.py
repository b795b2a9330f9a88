"""The OpenAI-compatible proxy: passes chats on to an upstream and keeps their tree. docs/proxy.md is its description.

routes      the addresses
direct      the usual request, without a task
names       who may chat, and the headers that name the answers
asking      what a request says, read once: the turns of its history, and who asks
history     where in which conversation the request stands, from the history alone if need be
upstream    the one connection pool
generation  an answer that comes in, independent of who reads it
answers     what the upstream's chunks say: text, finish, tokens
relay       a generation to one reader, who may leave and come back
record      prompts, answers and departures, as events
kept        the generations that can be read again
proxy       all that together, for as long as the server lives
"""

from unspoken.api.chat.direct import direct
from unspoken.api.chat.routes import BARE, router

__all__ = ["BARE", "direct", "router"]

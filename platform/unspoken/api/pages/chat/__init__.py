"""The page /chat: a chat with a real model, through our own proxy, that records what the visitor agreed to.

page     the page itself and its files; the sentence that stands there when there is nobody to chat with
routes   what its script calls: an answer, the rest of one, the end of one
asks     what the script may ask for
guests   who may use it, and how much

The browser holds a write key and nothing else. The upstream's key, and the right to chat, stay on this server.
"""

from fastapi import APIRouter

from unspoken.api.pages.chat import page, routes

router = APIRouter(include_in_schema=False)
for each in (page, routes):
    router.include_router(each.router)

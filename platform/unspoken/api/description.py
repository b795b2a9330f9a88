"""What the OpenAPI document says of POST /v1/events, which stands before the framework that writes the rest of it."""

from typing import Any

from unspoken import events

COUNT = {"type": "integer", "minimum": 0}
ITEM = {
    "type": "object",
    "properties": {
        "item": {**COUNT, "description": "Its place in the request, from 0."},
        "id": {"type": ["string", "null"]},
        "status": {"type": "integer"},
        "type": {"type": "string"},
        "field": {"type": ["string", "null"]},
        "detail": {"type": "string"},
    },
    "required": ["item", "id", "status", "type", "field", "detail"],
}
RECEIPT = {
    "type": "object",
    "properties": {
        "stored": COUNT,
        "repeated": COUNT,
        "declined": {**COUNT, "description": "Behaviour not stored because the browser asks not to be followed."},
        "items": {"type": "array", "items": ITEM, "description": "The refused ones."},
    },
    "required": ["stored", "repeated"],
}
PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}
PROBLEMS = {
    400: "The body cannot be read.",
    401: "No key, or one that is not known.",
    403: "This key may not append this, or not from this page.",
    409: "A message contradicts one that was there first.",
    413: "Too many bytes, or too many events.",
    415: "A content type or encoding that is not taken.",
    422: "No event fits; the first reason, and `items` with each.",
    429: "The key's rate; send the same events again after Retry-After seconds.",
    503: "Not now; send the same events again after Retry-After seconds.",
}


def _bodies() -> dict[str, Any]:
    event = events.schema()
    times = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}]}
    several = {"type": "array", "items": event}
    batch = {
        "type": "object",
        "properties": {"events": several, "sent_at": {**times, "description": "The client's clock at sending."}},
        "required": ["events"],
        "additionalProperties": False,
    }
    one = {"schema": {"anyOf": [batch, several, event]}}
    return {"application/json": one, "text/plain": one, "application/x-ndjson": {"schema": event}}


def _answers() -> dict[str, Any]:
    said = {"content": {"application/json": {"schema": RECEIPT}}}
    problem = {"content": {"application/problem+json": {"schema": PROBLEM}}}
    return {
        "200": {"description": "Everything is stored, was stored before, or was declined.", **said},
        "207": {"description": "Some is stored, and `items` says what is not, and why.", **said},
        **{str(status): {"description": what, **problem} for status, what in PROBLEMS.items()},
    }


def _query(name: str, what: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": what}


EVENTS: dict[str, Any] = {
    "parameters": [
        _query("key", "A write key or a message token, where no header can be set."),
        _query("sent_at", "The client's clock at sending, where the body has no place for it."),
    ],
    "requestBody": {"required": True, "content": _bodies()},
    "responses": _answers(),
}

"""How events say of themselves that nobody did them."""

# In `meta` of every message of a simulated world, so that events without their folder are not taken for people's.
MARK = {"simulated": True}


def marked(event: object) -> bool:
    """Whether it is a message that bears the mark."""
    meta = event.get("meta") if isinstance(event, dict) and event.get("kind") == "message" else None
    return isinstance(meta, dict) and meta.get("simulated") is True

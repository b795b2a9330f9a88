"""Who may chat, and the headers that name the answers to who did."""

from unspoken.api.chat.generation import Generation
from unspoken.api.doors import Door
from unspoken.store import tokens

TOKEN_S = tokens.MOST_TTL_S


def may_chat(door: Door) -> bool:
    """Whether its key is one that stays on a server: who chats is paid for."""
    return door.principal.role in ("secret", "admin")


def of(generation: Generation, conversation: str) -> list[tuple[bytes, bytes]]:
    """The ids of the answers, and a token for each with which its user's page may speak of it."""
    user = generation.asked.user
    named = [
        (b"x-unspoken-conversation", _in_header(conversation)),
        (b"x-unspoken-message", ", ".join(generation.messages).encode()),
    ]
    if user is not None:
        issued = [
            tokens.issue(generation.project, generation.principal.key_id, message, user, TOKEN_S)[0]
            for message in generation.messages
        ]
        named.append((b"x-unspoken-token", ", ".join(issued).encode()))
    return named


def _in_header(name: str) -> bytes:
    """Printable ASCII as it is, other characters as `&#233;`: no header may hold them, least of all a line's end."""
    return "".join(each if " " <= each <= "~" else f"&#{ord(each)};" for each in name).encode()

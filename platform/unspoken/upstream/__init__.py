"""The small model that `unspoken up` starts for the page /chat: an OpenAI-compatible server on this machine alone.

model   SmolLM2-135M-Instruct through llama.cpp, loaded at the first question
server  its HTTP: who may ask, how many at once, how many wait

Nothing else here knows of it: the proxy speaks to it as to any upstream, by UNSPOKEN_UPSTREAM_URL.
"""

from unspoken.upstream.model import NAME, installed

__all__ = ["NAME", "installed"]

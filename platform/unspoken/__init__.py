"""Two reward models from one chat log: one from what people say about answers, one from what they do."""

__version__ = "0.1.0"

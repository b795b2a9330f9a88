"""From a conversation's events to evidence: what was said about each answer, and what was done to it."""

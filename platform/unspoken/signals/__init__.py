"""From a conversation's events to evidence: what each answer was told, and what was done to it. Frames in, frames out."""

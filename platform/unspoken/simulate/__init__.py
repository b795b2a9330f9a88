"""Worlds with known truth: users with two utilities, answers that carry them, and the events that follow."""

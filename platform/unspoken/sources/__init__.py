"""Importers of real logs, one file each. Each yields events as POST /v1/events takes them."""

"""Importers of real logs, one file each. Each yields events as POST /v1/events takes them.

Every importer is `events(…, reading)` with a RECIPE, the FACTS of its format and the ASSUMPTIONS that are our choice.
What does not become an event is counted in `reading` under a reason; ids follow from the source's own, so twice is
once.
"""

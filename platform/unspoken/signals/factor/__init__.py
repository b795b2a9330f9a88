"""The label model of the revealed family: one factor behind what a user does with an answer (docs/labels.md)."""

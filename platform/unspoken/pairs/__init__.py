"""From evidence to what a reward model trains on: labels, pairs, unpaired, with lineage and an account of what was dropped."""

"""From evidence to what a reward model trains on: labels, pairs, unpaired, each with its lineage."""

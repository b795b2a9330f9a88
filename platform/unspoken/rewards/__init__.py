"""Reward models: a frozen trunk, cached features, a ridge-logistic head, a checkpoint for plain transformers.

Runs with torch, transformers, safetensors, numpy and polars alone; no database, broker or web.
"""

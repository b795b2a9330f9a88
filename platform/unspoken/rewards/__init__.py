"""Reward models: a frozen trunk, cached features, a ridge-logistic head, and a checkpoint that plain transformers loads.

Runs with torch, transformers, safetensors, numpy and polars alone; no database, broker or web.
"""

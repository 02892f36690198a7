"""Backends: a folder each, found by listing (`base.py`)."""

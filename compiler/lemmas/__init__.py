"""Lemmas that rewrites rest on: stated here, proved by z3 in the tests, demanded when a rewrite is registered."""

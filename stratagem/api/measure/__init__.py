"""Measuring models: every contender in a process of its own, in turns, checked in the same run."""

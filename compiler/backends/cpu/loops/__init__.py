"""Structured operations on buffers to vector loops, each by the strategy that suits its access pattern."""

"""Checkers: they read the IR alone, never a pass's own data, and decide whether its claims hold."""

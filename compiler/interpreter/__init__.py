"""The reference interpreter: runs a program of any level, in any of several number domains. See `docs/interpreter.md`."""

"""The reference interpreter: runs programs of every level, in several number domains (`docs/interpreter.md`)."""

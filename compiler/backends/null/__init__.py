"""The null backend: takes every kernel, emits nothing, runs nothing. For tests of everything above the code level."""

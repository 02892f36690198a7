"""The compiler: front ends, levels, passes, checks and backends, in the order of `docs/architecture.md`."""

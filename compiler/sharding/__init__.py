"""One program per device into one SPMD program: placements, the rules that derive them, and the rewrite."""

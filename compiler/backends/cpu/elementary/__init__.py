"""Elementary functions written out in arithmetic, so that they run on whole vectors."""

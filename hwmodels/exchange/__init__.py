"""Systems to and from other projects' formats."""

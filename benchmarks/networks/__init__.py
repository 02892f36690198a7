"""Networks and operators to measure, from their papers, with random weights."""

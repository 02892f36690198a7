"""Proof that a program cut over ranks computes what the uncut one does: both are read as expressions on whole tensors."""

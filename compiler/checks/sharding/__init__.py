"""Proof that a program cut over ranks computes what the uncut program does: both read as expressions on whole tensors."""

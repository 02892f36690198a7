"""Proof that a program cut over ranks computes what the uncut one does; both become expressions on whole tensors."""

"""Calling systems of others: which addresses may be called, one HTTP call, signatures and credentials."""

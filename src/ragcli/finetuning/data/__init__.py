"""Rows of training data: what form a row has is seen, not registered."""

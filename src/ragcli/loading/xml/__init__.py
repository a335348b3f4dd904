"""XML of every kind."""

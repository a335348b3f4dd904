"""One file a task: how its rows become tensors, which trainer takes them, and what is saved."""

"""The thesis' experiments with enough sounds, fixed prompts and intervals; and one line a model on what it obeys."""

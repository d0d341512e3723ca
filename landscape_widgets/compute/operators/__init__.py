"""compute operators."""

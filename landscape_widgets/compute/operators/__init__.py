"""Symmetric operators on parameter space, one matrix a file."""

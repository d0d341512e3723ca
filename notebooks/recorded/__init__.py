"""Runs that take minutes, kept with the script, the seed and the hash of every file."""

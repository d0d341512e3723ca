"""The tasks T1 to T11, one file each."""

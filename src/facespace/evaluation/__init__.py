"""Looks at finished spaces and runs: figures, tables, pictures. Trains no space and changes none."""

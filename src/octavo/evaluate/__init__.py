"""What a written file costs and whether it computes what it should."""

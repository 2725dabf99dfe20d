"""Figures against other tools, as ratios in one run: `python -m bench`."""

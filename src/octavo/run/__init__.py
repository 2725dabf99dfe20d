"""Things that run a graph or a file: the reference interpreter and the real ones."""

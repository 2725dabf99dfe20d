"""From a representative dataset to the range of every activation."""

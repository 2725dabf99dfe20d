"""From a float graph and ranges to an integer graph."""

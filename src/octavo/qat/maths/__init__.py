"""Rounding of real tensors as integers round them, differentiably."""

"""The tutorial's table: float, quantized after training and trained for it, on three networks and the user's images."""

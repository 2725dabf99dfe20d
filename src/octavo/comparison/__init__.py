"""Every scheme side by side, and which one to use."""

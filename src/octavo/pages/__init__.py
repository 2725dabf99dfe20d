"""What a page shows, gathered from a model, its files and its samples."""

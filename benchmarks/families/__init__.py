"""What is learned from solved problems: families, batches, and families that have changed."""

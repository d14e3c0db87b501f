"""What rules say, and the files they stand in."""

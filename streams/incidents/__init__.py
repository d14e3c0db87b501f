"""From many cases to one story: incidents."""

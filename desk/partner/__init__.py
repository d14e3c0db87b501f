"""Hand-over: a case is mirrored to an outside system and stays in step both ways. What decides is pure (`tickets`, `facts`)."""

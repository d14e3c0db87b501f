"""What was decided, decided once more from the log, and compared with what stands there."""

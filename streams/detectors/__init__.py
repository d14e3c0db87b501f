"""What finds faults in readings: one module per detector, each with its rule, its logic and its sentences."""

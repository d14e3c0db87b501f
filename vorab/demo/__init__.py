"""The demo: one night in a minute, with everything real but the machines."""

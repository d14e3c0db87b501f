"""Detectors: each tells from the readings of many series, in columns, where an episode starts and ends."""

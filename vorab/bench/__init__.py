"""vorab's own benchmarks: each prints one JSON line with counts and CPU seconds per million messages."""

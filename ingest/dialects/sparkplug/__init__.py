"""Sparkplug B 3.0: edge nodes and devices with birth and death certificates, metrics by alias, in numbered messages."""

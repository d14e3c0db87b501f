"""Devices, customers, sites and contracts as people write them: files and JSON in, entries or mistakes out. Pure."""

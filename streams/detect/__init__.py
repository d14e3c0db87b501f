"""Readings in, symptoms out."""

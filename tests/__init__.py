"""Tests of vorab: unit, contract, integration, acceptance, chaos and browser; tests.parts starts the real parts."""

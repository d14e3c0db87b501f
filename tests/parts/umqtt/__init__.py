"""As the package of MicroPython is called."""

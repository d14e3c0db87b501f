"""Pure processors that turn readings into symptoms, cases, incidents and what customers should hear."""

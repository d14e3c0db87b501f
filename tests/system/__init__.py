"""A whole system for acceptance and chaos tests: its processes, a story to play to it over MQTT, and what came of it."""

"""From symptom to service: the cases of a device."""

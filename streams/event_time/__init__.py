"""When things were: which readings are judged now, wait, or belong to the past."""

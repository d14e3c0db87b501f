"""Written policy where a human must act: who may act, in which queue a case waits, what is said and given. Pure."""

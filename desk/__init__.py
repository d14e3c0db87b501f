"""The desk: what happened and why, for agents, operators and customers; projections of the log, never a source of truth."""

"""Rules tried before they are in force: on the user's own cases, over the log, over files."""

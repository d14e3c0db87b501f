"""What customers answer: heard by thin adapters, found to belong to a case, decided in one table, answered once from live state.

`said` is what every adapter makes of a message, `mail_reading` and `automatic` read mail, `finding` tells whose it is and which case it is
about, `deciding` what is done; all pure. `replies` does it, `answering` sends; `smtp`, `imap`, `hook`, `telegram` and `mastodon` listen.
"""

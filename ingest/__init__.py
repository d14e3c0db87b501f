"""MQTT in, MQTT out: what devices say becomes records on the log, and what they are asked to do leaves as commands.

Read it along the way of a message: `mqtt` (socket) → `packets` (bytes) → `intake` (decisions, by `topicmap`, `decoders`, `presence`,
`replies`, `refusals`) → `framer` (columns) → `bridge` (nothing is acknowledged before the log has it); `downlink` goes the other way,
and `service` ties them to threads.
"""

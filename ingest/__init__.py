"""MQTT in, MQTT out: what devices say becomes records on the log, and what they are asked to do leaves as commands.

Read it along the way of a message: `mqtt` (socket) → `packets` (bytes) → `intake` (decisions, by `topicmap`, `gate`, `decoders`,
`dialects` with `hearing`, `presence`, `replies`, `refuser`) → `framer` (columns) → `bridge` (nothing is acknowledged before the log has
it) → `acks` (devices that ask are told end to end); `downlink` goes the other way, and `service` ties them to threads. Requests come by
`http` → `door` → `visits`, which hands telemetry to the intake and makes alarms of `webhooks`.
"""

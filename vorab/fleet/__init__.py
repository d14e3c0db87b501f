"""The simulated machines: a process of their own, joined to vorab by MQTT only.

`models` says what the machines are, `faults` what can go wrong, `machines` steps them through event time, `story` is the
night of the demo, `registry` who owns what, `protocol` how a machine answers commands, `run` puts them on MQTT, and
`replay` publishes recordings.
`physics` is whole fleets by the week, without MQTT: what detection is judged by.
"""

from __future__ import annotations

"""Whole fleets by the week: physical models of machines, vectorised over devices, with seeded faults and their labels.

`course` is time as people and weather have it, `pump`, `printer` and `heat_pump` are the machines, `harm` says what goes wrong and
plans it, `sensors` turns truth into numbers, `link` brings them over the network, and `simulation` puts it all together, day by day.
No clock, no socket: everything is a function of the seed. The machines of the demo, which answer commands, are the modules above.
"""

from __future__ import annotations

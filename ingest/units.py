"""One name per unit, however a device spells it: the SenML name where there is one, else the UCUM name.

Only names change here, never values: `°C` and `degC` become `Cel`, while `°F` becomes `[degF]`. What the table does not know stays as
it was written. Sources: the SenML units and secondary units registries (RFC 8428, RFC 8798), UCUM's case-sensitive codes, the units
Home Assistant and Homie list, and what is found in `engUnit` of Sparkplug and in exports of PLCs.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final, NamedTuple


class Unit(NamedTuple):
    """One unit under all its names."""

    name: str
    ucum: str
    """Empty where UCUM has none."""
    spellings: tuple[str, ...] = ()


# name; UCUM, where it is another one (- for none); other spellings. A name that two units could claim stands in neither line.
_PRIMARY: Final = """
m; ; meter, meters, metre, metres
kg; ; kilogram, kilograms, kgs
g; ; gram, grams
s; ; sec, secs, second, seconds
A; ; Amp, Amps, amp, amps, ampere, amperes, Ampere
K; ; kelvin, Kelvin
cd; ; candela
mol; ; mole, moles
Hz; ; hz, HZ, hertz, Hertz, cps
rad; ; radian, radians
sr; ; steradian
N; ; newton, Newton
Pa; ; pascal, Pascal
J; ; joule, Joule
W; ; watt, watts, Watt, Watts
C; ; coulomb, Coulomb
F; ; farad, Farad
V; ; volt, volts, Volt, Volts, VDC, VAC, Vdc, Vac
Ohm; ; ohm, ohms, Ohms
S; ; siemens, Siemens
Wb; ; weber
T; ; tesla, Tesla
H; ; henry
Cel; ; °C, ° C, degC, deg C, Deg C, DegC, deg_C, celsius, Celsius, degree Celsius, degrees Celsius, degree_celsius, DegreeCelsius, oC
lm; ; lumen
lx; ; lux, Lux, Lx, LUX
Bq; ; becquerel
Gy; ; gray
Sv; ; sievert
kat; ; katal
m2; ; m^2, sqm
m3; ; m^3, cbm
l; l; L, liter, liters, litre, litres, Liter
m/s; ; mps, meter per second
m/s2; ; m/s^2, m/s/s
m3/s; ; m^3/s
l/s; ; L/s, lps
W/m2; ; W/m^2
cd/m2; ; cd/m^2, nit
bit; ; bits
bit/s; ; bps, bits/s
lat; - ;
lon; - ;
pH; [pH]; ph, PH
dB; ; db, decibel
dBW; - ;
Bspl; B[SPL];
count; {count}; counts, pcs, pieces, Stk, #
/; 1; ratio
%; ; percent, pct, Percent
%RH; - ; % RH, %rh, %rH, % rH, RH%
%EL; - ;
EL; - ;
1/s; /s; s-1, s^-1
1/min; /min; rpm, RPM, r/min, rev/min, U/min, min-1, min^-1
beat/min; {beat}/min; bpm, BPM
beats; {beat};
S/m; ;
B; By; byte, bytes, Byte, Bytes
VA; V.A; va
VAs; V.A.s;
var; - ; VAR, VAr, Var
vars; - ; VARs
J/m; ;
kg/m3; ; kg/m^3
deg; ; °, degree, degrees, Deg
NTU; [ntu]; ntu
"""

_SECONDARY: Final = """
ms; ; msec, millisecond, milliseconds
min; ; mins, minute, minutes
h; ; hr, hrs, hour, hours
MHz; ; megahertz
kW; ; KW, kilowatt, kilowatts
kVA; kV.A; KVA
kvar; - ; kVAr, kVAR, KVAR, KVAr
Ah; A.h; amp hours, A h
Wh; W.h; W h
kWh; kW.h; KWH, KWh, kwh, kW h, kWhr
varh; - ; VARh, VArh
kvarh; - ; kVArh, kVARh, KVARH
kVAh; kV.A.h; KVAH
Wh/km; W.h/km;
KiB; KiBy;
GB; GBy;
Mbit/s; ; Mbps
B/s; By/s;
MB/s; MBy/s;
mV; ; millivolt, millivolts
mA; ; milliamp, milliamps
dBm; dB[mW]; dbm
ug/m3; ; ug/m^3, µg/m³, μg/m³
mm/h; ;
m/h; ;
ppm; [ppm]; PPM, ppmv
/100; - ;
/1000; - ;
hPa; ; hpa, HPa, mbar, mBar, millibar
mm; ; millimeter, millimeters, millimetre
cm; ; centimeter, centimeters, centimetre
km; ; kilometer, kilometers, kilometre
km/h; ; kph, kmh, kmph
ppb; [ppb]; PPB
ppt; [pptr];
VAh; V.A.h;
mg/l; mg/L;
ug/l; ug/L; µg/L, μg/L
g/l; g/L;
"""

# Units without a SenML name, under the UCUM one.
_UCUM: Final = """
[degF]; ; °F, ° F, degF, deg F, Deg F, fahrenheit, Fahrenheit, oF
[psi]; ; psi, PSI, psig, PSIG, lbf/in2
bar; ; Bar, BAR, barg
kPa; ; kpa, KPa
MPa; ; Mpa
mm[Hg]; ; mmHg
[in_i'Hg]; ; inHg
kHz; ; khz
GHz; ;
kV; ; KV
MW; ;
mW; ;
MWh; MW.h; MWH
kJ; ;
MJ; ;
uA; ; µA, μA
uV; ; µV, μV
us; ; µs, μs, usec, microsecond, microseconds
kOhm; ; kohm
MOhm; ; Mohm
d; ; day, days
wk; ; week, weeks
mg; ;
t; ; tonne, tonnes
um; ; µm, μm, micron, microns
mm/s; ; mm/sec
mm/s2; ; mm/s^2
cm/s; ;
[g]; ; gn
m3/h; ; m^3/h, cbm/h
l/min; L/min; lpm, LPM
l/h; L/h; lph
ml; mL;
N.m; ; Nm, N m, N·m
kN; ;
uS/cm; ; µS/cm, μS/cm
mS/cm; ;
[mi_i]/h; ; mph
[ft_i]; ; ft
[in_i]; ; inch, inches
[lb_av]; ; lb, lbs
W/(m2.K); ; W/m2K
J/(kg.K); ;
kBy; - ; kB
MBy; - ; MB
KBy/s; - ; kB/s
"""

_WIDE: Final = str.maketrans(
    {"\u00b5": "u", "\u03bc": "u", "²": "2", "³": "3", "\u03a9": "Ohm", "\u2126": "Ohm", "℃": "°C", "℉": "°F", "\uff05": "%", "\u00a0": " "}
)
"""Letters of which there are two, and those that stand for several."""


def _table(lines: str) -> tuple[Unit, ...]:
    made = []
    for line in lines.strip().splitlines():
        name, ucum, spellings = (part.strip() for part in line.split(";"))
        others = tuple(spelling.strip() for spelling in spellings.split(",") if spelling.strip())
        made.append(Unit(name, "" if ucum == "-" else ucum or name, others))
    return tuple(made)


SENML: Final = _table(_PRIMARY)
"""The registry of SenML units."""
SECONDARY: Final = _table(_SECONDARY)
"""The registry of secondary units."""
OTHERS: Final = _table(_UCUM)
"""Units that have a UCUM name only."""
UNITS: Final = SENML + SECONDARY + OTHERS


def _names() -> Mapping[str, str]:
    made = {unit.name: unit.name for unit in UNITS}
    for one in UNITS:
        for spelling in (one.ucum, *one.spellings):
            if spelling:
                made.setdefault(spelling, one.name)
    return made


NAMES: Final = _names()
"""From every spelling to the name."""


@functools.lru_cache(maxsize=4096)
def unit(text: str) -> str:
    """The name of a unit; what the table does not know comes back as it was written, without blanks around it."""
    found = text.strip()
    return NAMES.get(found) or NAMES.get(found.translate(_WIDE)) or found


_OVER_TIME: Final = {
    "W": "J", "A": "C", "VA": "VAs", "var": "vars", "m/s": "m", "m/s2": "m/s", "m3/s": "m3", "l/s": "l", "bit/s": "bit", "B/s": "B",
    "MB/s": "MB", "Mbit/s": "Mbit", "1/s": "count",
}  # fmt: skip


def over_time(text: str) -> str:
    """The unit of an integral over seconds: joules for watts; where there is no name for it, the unit times seconds as UCUM writes it."""
    found = unit(text)
    return _OVER_TIME.get(found, f"{found}.s") if found else ""


def named(units: Mapping[str, str]) -> Mapping[str, str]:
    """Units by signal, under their names."""
    return {signal: unit(text) for signal, text in units.items()} if units else units

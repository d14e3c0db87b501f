"""The worked example that ships with vorab: rules, remedies, care and knowledge of a pump, a printer and a heat pump.

In a checkout it stands at the top (`rules/`, `remedies/`, `care/`, `knowledge/`), where readers find it; the wheel carries it inside this
package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Name = Literal["rules", "remedies", "care", "knowledge"]


def folder(name: Name) -> Path:
    """The folder of the example, in an installed wheel as in a checkout.

    Raises:
        FileNotFoundError: the installation is not whole.
    """
    here = Path(__file__).resolve().parent
    for candidate in (here / name, here.parents[1] / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the example's {name} are missing from this installation: {here / name}")

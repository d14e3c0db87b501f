"""Learn the shipped weights of `vorab.understanding` anew from its examples: `python -m scripts.understanding`."""

from __future__ import annotations

from pathlib import Path

from vorab.understanding.reading import shipped
from vorab.understanding.training import learn_all
from vorab.understanding.weights import FILE, pack


def main() -> None:
    """Write the file; the same examples give the same bytes."""
    examples = shipped()
    packed = pack(learn_all(examples))
    file = Path(__file__).resolve().parents[1] / "vorab" / "understanding" / FILE
    file.write_bytes(packed)
    print(f"{len(examples)} examples, {len(packed)} bytes: {file.name}")


if __name__ == "__main__":
    main()

"""The weights that ship, as a small file: whole numbers of one byte with a scale for each column, and the known words."""

from __future__ import annotations

import json
import zlib
from importlib import resources
from typing import Final

import numpy as np

from vorab.understanding.training import COLUMNS, Trained

FILE: Final = "shipped.weights"
STEPS: Final = 127


def pack(trained: Trained) -> bytes:
    """Weights and words as the bytes of the file."""
    scale = np.maximum(np.abs(trained.weights).max(axis=0), 1e-9) / STEPS
    small = np.rint(trained.weights / scale).astype(np.int8)
    head = json.dumps({"words": trained.words, "scale": [float(each) for each in scale]}).encode()
    return zlib.compress(head + b"\n" + small.tobytes(), 9)


def unpack(packed: bytes) -> Trained:
    """What `pack` gave."""
    head, _, small = zlib.decompress(packed).partition(b"\n")
    said = json.loads(head)
    weights = np.frombuffer(small, np.int8).reshape(-1, COLUMNS).astype(np.float32) * np.array(said["scale"], np.float32)
    return Trained(weights, tuple(said["words"]))


def load() -> Trained:
    """The weights that ship."""
    return unpack((resources.files("vorab.understanding") / FILE).read_bytes())

#!/usr/bin/env python3
"""Makes test/fixtures/images.json with Pillow: python3 scripts/make-image-fixtures.py && npx biome format --write test/fixtures

Pixels are a formula that the test repeats; of each result the sha256 of its bytes is kept.
"""
import hashlib
import json
import pathlib

import numpy as np
import PIL
from PIL import Image

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures" / "images.json"
FILTERS = {"box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def pixels(height, width, channels):
    i = np.arange(height * width * channels, dtype=np.uint64)
    return ((i * np.uint64(2654435761)) % np.uint64(2**32) >> np.uint64(24)).astype(np.uint8).reshape(height, width, channels)


def image(height, width, channels):
    array = pixels(height, width, channels)
    return Image.fromarray(array[..., 0] if channels == 1 else array)


def sha256(result):
    return hashlib.sha256(np.asarray(result).tobytes()).hexdigest()


resample = []
for channels in (1, 3):
    for filter in FILTERS:
        for (h, w), (x, y, cw, ch), (sw, sh), (wx, wy, ww, wh) in [
            ((28, 28), (0, 0, 28, 28), (32, 32), (0, 0, 32, 32)),
            ((75, 100), (13, 7, 60, 50), (24, 24), (0, 0, 24, 24)),
            ((75, 100), (0, 0, 100, 75), (42, 32), (7, 4, 28, 28)),
            ((40, 30), (5, 5, 20, 30), (20, 61), (3, 9, 10, 40)),
            ((40, 30), (5, 5, 20, 30), (33, 30), (3, 9, 10, 12)),
            ((9, 9), (2, 3, 1, 1), (5, 5), (0, 0, 5, 5)),
        ]:
            seen = image(h, w, channels).crop((x, y, x + cw, y + ch)).resize((sw, sh), FILTERS[filter])
            resample.append({
                "shape": [h, w, channels], "crop": [x, y, cw, ch], "size": [sw, sh], "window": [wx, wy, ww, wh],
                "filter": filter, "sha256": sha256(seen.crop((wx, wy, wx + ww, wy + wh))),
            })
rotate = [
    {"shape": [h, w, c], "angle": a, "sha256": sha256(image(h, w, c).rotate(a, Image.NEAREST, fillcolor=0))}
    for h, w, c in [(32, 32, 1), (20, 33, 3)]
    for a in [0.3, -0.3, 12.5, -29.99, 30, 77.7]
]
OUT.write_text(json.dumps({"madeBy": f"scripts/make-image-fixtures.py, Pillow {PIL.__version__}", "resample": resample, "rotate": rotate}))

#!/usr/bin/env python3
"""Makes test/fixtures/jpegs.json: small encoded images of every kind, and what torchvision's transforms see of them.

    python3 scripts/make-jpeg-fixtures.py && npx biome format --write test/fixtures    (needs cjpeg of libjpeg-turbo)
    python3 scripts/make-jpeg-fixtures.py --answer    JSON lines in, {"image": base64, "views": [...]}; lists of sha256 out

A view is {"crop": [x, y, width, height], "size": n, "mirror": bool}: RandomResizedCrop's resize and the flip; or
{"resize": n, "size": m}: Resize and CenterCrop.
"""
import base64
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import types

import numpy as np
import PIL
from PIL import Image, ImageCms

sys.modules["torchvision._meta_registrations"] = types.ModuleType("meta")  # wants operators that a CPU build may not have
import torchvision  # noqa: E402
from torchvision import transforms  # noqa: E402
from torchvision.transforms import functional  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures" / "jpegs.json"


def sha256(image):
    return hashlib.sha256(np.asarray(image).tobytes()).hexdigest()


def seen(image, view):
    if "crop" in view:
        x, y, width, height = view["crop"]
        result = functional.resized_crop(image, y, x, height, width, [view["size"]] * 2)
        return functional.hflip(result) if view["mirror"] else result
    return transforms.Compose([transforms.Resize(view["resize"]), transforms.CenterCrop(view["size"])])(image)


def load(data):
    return Image.open(io.BytesIO(data)).convert("RGB")  # as torchvision.datasets does


def photo(width, height, seed):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [128 + 70 * np.sin(x / (5 + 3 * c) + seed) + 50 * np.cos(y / (4 + c)) for c in range(3)]
    edge = np.where((3 * x + 2 * y) % 40 < 20, 25, -25)[..., None]
    pixels = np.stack(waves, -1) + edge + random.normal(0, 12, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def saved(image, format="JPEG", **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def cjpeg(image, *options):
    return subprocess.run(["cjpeg", *options], input=saved(image, "PPM"), capture_output=True, check=True).stdout


def views(width, height, seed):
    random = np.random.default_rng(seed)
    for size in (16, 24):
        w, h = int(random.integers(1, width + 1)), int(random.integers(1, height + 1))
        x, y = int(random.integers(0, width - w + 1)), int(random.integers(0, height - h + 1))
        yield {"crop": [x, y, w, h], "size": size, "mirror": bool(size == 24)}
    yield {"crop": [0, 0, width, height], "size": 20, "mirror": False}
    yield {"resize": 20, "size": 16}


def images():
    """name -> kind ('plain': decoded natively; 'odd': by sharp), bytes, size"""
    sizes = [(48, 40), (37, 29), (1, 1), (1, 33), (50, 1), (17, 16), (3, 60)]
    for i, (w, h) in enumerate(sizes):
        image = photo(w, h, i)
        for subsampling, name in enumerate(["4:4:4", "4:2:2", "4:2:0"]):
            yield f"{name}, {w} x {h}", "plain", saved(image, quality=90, subsampling=subsampling), (w, h)
        yield f"4:4:0, {w} x {h}", "plain", cjpeg(image, "-sample", "1x2", "-quality", "88"), (w, h)
        yield f"grey, {w} x {h}", "plain", saved(image.convert("L"), quality=90), (w, h)
        yield f"progressive, {w} x {h}", "plain", saved(image, quality=85, progressive=True), (w, h)
    w, h = 61, 43
    image = photo(w, h, 9)
    yield "progressive 4:4:4", "plain", saved(image, quality=85, progressive=True, subsampling=0), (w, h)
    yield "progressive 4:4:0", "plain", cjpeg(image, "-progressive", "-sample", "1x2"), (w, h)
    yield "progressive grey", "plain", saved(image.convert("L"), quality=85, progressive=True), (w, h)
    yield "restart markers", "plain", saved(image, quality=90, restart_marker_blocks=1), (w, h)
    yield "restart rows, 4:4:4", "plain", saved(image, quality=90, subsampling=0, restart_marker_rows=1), (w, h)
    yield "own Huffman tables", "plain", saved(image, quality=90, optimize=True), (w, h)
    yield "quality 1", "plain", saved(image, quality=1), (w, h)
    yield "quality 100", "plain", saved(image, quality=100, subsampling=0), (w, h)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "turned by EXIF, which is ignored", "plain", saved(image, quality=90, exif=exif), (w, h)
    yield "colour profile, which is ignored", "plain", saved(image, quality=90, icc_profile=profile()), (w, h)
    yield "RGB in a JPEG", "odd", cjpeg(image, "-rgb", "-quality", "90"), (w, h)
    yield "luma of 4 x 1", "odd", cjpeg(image, "-sample", "4x1", "-quality", "90"), (w, h)
    yield "chroma finer than luma", "odd", cjpeg(image, "-sample", "1x1,2x2,2x2", "-quality", "90"), (w, h)
    yield "PNG", "odd", saved(image, "PNG"), (w, h)
    yield "PNG with transparency", "odd", saved(image.convert("RGBA"), "PNG"), (w, h)
    yield "grey PNG", "odd", saved(image.convert("L"), "PNG"), (w, h)
    yield "PNG with a palette", "odd", saved(image.quantize(16), "PNG"), (w, h)
    yield "CMYK", "odd", saved(image.convert("CMYK"), quality=90), (w, h)


def profile():
    """sRGB with red and blue swapped: whoever heeds it gets other colours."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132], "big")
    entries = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, blue = entries[b"rXYZ"], entries[b"bXYZ"]
    data[red + 4 : red + 12], data[blue + 4 : blue + 12] = data[blue + 4 : blue + 12], data[red + 4 : red + 12]
    return bytes(data)


def answer(data, wanted):
    image = load(data)
    return [sha256(seen(image, view)) for view in wanted]


def main():
    if "--answer" in sys.argv:
        for line in sys.stdin:
            request = json.loads(line)
            print(json.dumps(answer(base64.b64decode(request["image"]), request["views"])), flush=True)
        return
    fixtures = []
    for seed, (name, kind, data, (w, h)) in enumerate(images()):
        wanted = list(views(w, h, seed))
        fixtures.append({
            "name": name, "kind": kind, "width": w, "height": h, "image": base64.b64encode(data).decode(),
            "sha256": sha256(load(data)),
            "views": [{**view, "sha256": hash} for view, hash in zip(wanted, answer(data, wanted))],
        })
    made_by = f"scripts/make-jpeg-fixtures.py, Pillow {PIL.__version__}, torchvision {torchvision.__version__}"
    OUT.write_text(json.dumps({"madeBy": made_by, "images": fixtures}))


main()

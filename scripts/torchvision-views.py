"""torchvision's own transforms on an image: the standard ones of ImageNet, and a crop, resize and flip whose box is given.

    python torchvision-views.py <folder> < views.json

Reads [{image: [height, width], view: {...}}, ...], writes <folder>/<i>.bin, float32 [3, size, size], normalised. Pixels are a
formula that the test repeats. Torchvision's compiled operators are not needed.
"""
import json
import pathlib
import sys
import types

sys.modules["torchvision._meta_registrations"] = types.ModuleType("meta")  # needs the compiled operators
import numpy as np
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pixels(height, width):
    i = np.arange(height * width * 3, dtype=np.uint64)
    values = (i * np.uint64(2654435761)) % np.uint64(2**32) >> np.uint64(24)
    return Image.fromarray(values.astype(np.uint8).reshape(height, width, 3))


def seen(image, view):
    if view["name"] == "center-crop":
        resize = transforms.Resize(view["resize"])
        return transforms.CenterCrop(view["size"])(resize(image))
    box = view["box"]
    image = functional.resized_crop(
        image, box["y"], box["x"], box["height"], box["width"], [view["size"]] * 2, transforms.InterpolationMode.BILINEAR
    )
    return functional.hflip(image) if view["flip"] else image


def main():
    normalise = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    for i, case in enumerate(json.load(sys.stdin)):
        tensor = normalise(seen(pixels(*case["image"]), case["view"]))
        (pathlib.Path(sys.argv[1]) / f"{i}.bin").write_bytes(tensor.numpy().tobytes())


main()

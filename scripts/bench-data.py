#!/usr/bin/env python3
"""What scripts/bench-data.mjs compares with: the same crops of the same JPEGs by torchvision, on PIL images and on tensors.

Standard input has one line of JSON first, {"files": [...], "crops": [[x, y, width, height, mirrored], ...]}, and then a line for
each round, "pil" or "io"; each is answered by a line of JSON. The first answer says what there is.
"""
import ctypes
import io
import json
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time
import types

import numpy as np
import PIL
import torch
from PIL import Image

sys.modules["torchvision._meta_registrations"] = types.ModuleType("meta")  # wants operators that a CPU build may not have
import torchvision  # noqa: E402
from torchvision.transforms import functional as pil  # noqa: E402
from torchvision.transforms.v2 import functional as v2  # noqa: E402

SIZE = [224, 224]


def load_tensor_decoder():
    """torchvision.io's decoder. Its library names CUDA's functions even where only the CPU decodes: on a CPU build of torch they
    are given to it as functions that abort."""
    library = next(pathlib.Path(torchvision.__file__).parent.glob("image*.so"))
    try:
        torch.ops.load_library(str(library))
        return
    except OSError:
        pass
    symbols = subprocess.run(["nm", "-D", "-u", str(library)], capture_output=True, text=True, check=True).stdout
    names = sorted(set(re.findall(r" U (_ZN?K?\S*(?:cuda|CUDA)[^\s@]*)", symbols)))
    with tempfile.TemporaryDirectory() as folder:
        for name, wanted in [("libc10_cuda.so", []), ("libtorch_cuda.so", names)]:
            source = "#include <stdlib.h>\n" + "".join(
                f'void f{i}(void) __asm__("{symbol}"); void f{i}(void) {{ abort(); }}\n' for i, symbol in enumerate(wanted)
            )
            path = f"{folder}/{name}"
            command = ["cc", "-shared", "-fPIC", "-x", "c", "-", f"-Wl,-soname,{name}", "-o", path]
            subprocess.run(command, input=source, text=True, check=True)
            ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
    torch.ops.load_library(str(library))


def by_pil(data, x, y, width, height, mirrored):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image = pil.resized_crop(image, y, x, height, width, SIZE)
    return np.asarray(pil.hflip(image) if mirrored else image)


def by_io(data, x, y, width, height, mirrored):
    image = torch.ops.image.decode_jpeg(torch.frombuffer(data, dtype=torch.uint8), 3, False)
    image = v2.resized_crop(image, y, x, height, width, SIZE, antialias=True)
    return v2.horizontal_flip(image) if mirrored else image


def main():
    torch.set_num_threads(1)
    kinds = {"pil": by_pil}
    problem = None
    try:
        load_tensor_decoder()
        kinds["io"] = by_io
    except Exception as error:
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
    job = json.loads(sys.stdin.readline())
    files = [bytearray(pathlib.Path(path).read_bytes()) for path in job["files"]]
    versions = f"torchvision {torchvision.__version__}, Pillow {PIL.__version__}"
    print(json.dumps({"kinds": list(kinds), "problem": problem, "versions": versions}), flush=True)
    for line in sys.stdin:
        kind = kinds[line.strip()]
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        total = 0
        for data, crop in zip(files, job["crops"]):
            total += int(kind(data, *crop)[0, 0, 0])
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(json.dumps({"cpu": cpu, "wall": time.perf_counter() - began, "total": total}), flush=True)


main()

"""The PyTorch side of check-torchvision.mjs: for each network a state dict with random statistics, and its logits.

    python check-torchvision.py <folder> <ours=theirs> ...

Writes <ours>.safetensors and <ours>.json, and images.bin: float32 [n, 224, 224, 3].
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

BATCH = 2


def logits(model, images):
    with torch.no_grad():
        return model(images).flatten().tolist()


def main():
    folder = pathlib.Path(sys.argv[1])
    torch.manual_seed(0)
    images = torch.randn(BATCH, 3, 224, 224)
    images.permute(0, 2, 3, 1).contiguous().numpy().tofile(folder / "images.bin")
    for pair in sys.argv[2:]:
        ours, theirs = pair.split("=")
        model = getattr(models, theirs)(weights=None)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for values, low, high in [
                    (module.weight, 0.5, 1.5),
                    (module.bias, -0.5, 0.5),
                    (module.running_mean, -0.2, 0.2),
                    (module.running_var, 0.5, 1.5),
                ]:
                    values.data.uniform_(low, high)
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # what it drops is a generator's matter
        save_file(model.state_dict(), folder / f"{ours}.safetensors")
        record = {
            "version": torch.__version__,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "inference": logits(model.eval(), images),
            "training": logits(model.train(), images),
            "float64": logits(model.double(), images.double()),
        }
        (folder / f"{ours}.json").write_text(json.dumps(record))


main()

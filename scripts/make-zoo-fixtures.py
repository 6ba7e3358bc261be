#!/usr/bin/env python3
"""Makes test/fixtures/zoo-*.json with PyTorch in float64:

    python3 scripts/make-zoo-fixtures.py && npx biome format --write test/fixtures

The networks are written from their published layer tables, with the module names of kuangliu/pytorch-cifar (32x32
images) and torchvision (ImageNet), so that a state dict of theirs has these names. Weights and images come from a formula
that the test computes as well; a fixture holds names, shapes and results.
"""
import json
import math
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures"
BATCH = 4
SAMPLE = 16  # elements kept of a tensor
IMAGES = 0.5  # the images' phase; the i-th tensor of the state dict has phase i + 1


def single(values):
    """Float64 numbers that float32 holds exactly."""
    return np.asarray(values, dtype=np.float64).astype(np.float32).astype(np.float64)


def noise(count, amplitude, phase):
    """Of [-amplitude, amplitude): the fraction of a large multiple of a sine, a formula that any language can write."""
    i = np.arange(1, count + 1, dtype=np.float64)
    return single(amplitude * (2 * np.mod(np.sin(12.9898 * i + 78.233 * phase) * 43758.5453, 1) - 1))


def rounded(tensor, digits=8):
    return [float(f"{v:.{digits}g}") for v in tensor.detach().numpy().reshape(-1)]


activation = functional.relu  # of every network; `record` sets it


def activate(x):
    return activation(x)


class Activation(nn.Module):
    def forward(self, x):
        return activation(x)


def conv_bn(inputs, outputs, kernel, stride=1, groups=1):
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


# --- MNIST and CIFAR-10 VGGs ---

class VggMnist(nn.Module):
    """Table 7 of the PAU paper; no state dict of it is published, its names are the zoo's own."""

    def __init__(self):
        super().__init__()
        widths = [1, 64, 128, 256, 256, 512, 512, 512, 512]
        for i in range(8):
            setattr(self, f"conv{i + 1}", nn.Conv2d(widths[i], widths[i + 1], 3, padding=1))
        self.logits = nn.Linear(512, 10)

    def forward(self, x):
        for convolutions in ([1], [2], [3, 4], [5, 6], [7, 8]):
            for i in convolutions:
                x = getattr(self, f"conv{i}")(x)
            x = functional.max_pool2d(activate(x), 2)
        return self.logits(x.flatten(1))


class Vgg8(nn.Module):
    def __init__(self):
        super().__init__()
        layers, inputs = [], 3
        for width in [64, 128, 256, 512, 512]:
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), Activation(), nn.MaxPool2d(2)]
            inputs = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(512, 10)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


# --- ResNet ---

class Residual(nn.Module):
    def __init__(self, kind, inputs, planes, stride, shortcut_name):
        super().__init__()
        if kind == "basic":
            outputs, convolutions = planes, [(inputs, planes, 3, stride), (planes, planes, 3, 1)]
        else:
            outputs = 4 * planes
            convolutions = [(inputs, planes, 1, 1), (planes, planes, 3, stride), (planes, outputs, 1, 1)]
        self.count, self.shortcut_name = len(convolutions), shortcut_name
        for i, spec in enumerate(convolutions, 1):
            convolution, norm = conv_bn(*spec)
            setattr(self, f"conv{i}", convolution)
            setattr(self, f"bn{i}", norm)
        projects = stride != 1 or inputs != outputs
        setattr(self, shortcut_name, nn.Sequential(*conv_bn(inputs, outputs, 1, stride)) if projects else nn.Sequential())
        self.outputs = outputs

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.count:
                y = activate(y)
        return activate(y + getattr(self, self.shortcut_name)(x))


class ResNet(nn.Module):
    def __init__(self, kind, blocks, variant):
        super().__init__()
        self.imagenet = variant == "imagenet"
        self.conv1, self.bn1 = conv_bn(3, 64, 7, 2) if self.imagenet else conv_bn(3, 64, 3)
        inputs = 64
        for stage, (planes, count) in enumerate(zip([64, 128, 256, 512], blocks), 1):
            layers = []
            for i in range(count):
                stride = 2 if i == 0 and stage > 1 else 1
                layers.append(Residual(kind, inputs, planes, stride, "downsample" if self.imagenet else "shortcut"))
                inputs = layers[-1].outputs
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        setattr(self, "fc" if self.imagenet else "linear", nn.Linear(inputs, 1000 if self.imagenet else 10))

    def forward(self, x):
        x = activate(self.bn1(self.conv1(x)))
        if self.imagenet:
            x = functional.max_pool2d(x, 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return (self.fc if self.imagenet else self.linear)(x.mean((2, 3)))


# --- MobileNetV2 ---

class CifarInverted(nn.Module):
    def __init__(self, inputs, outputs, expansion, stride):
        super().__init__()
        hidden = expansion * inputs
        self.stride = stride
        self.conv1, self.bn1 = conv_bn(inputs, hidden, 1)
        self.conv2, self.bn2 = conv_bn(hidden, hidden, 3, stride, hidden)
        self.conv3, self.bn3 = conv_bn(hidden, outputs, 1)
        projects = stride == 1 and inputs != outputs
        self.shortcut = nn.Sequential(*conv_bn(inputs, outputs, 1)) if projects else nn.Sequential()

    def forward(self, x):
        y = activate(self.bn1(self.conv1(x)))
        y = activate(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return y + self.shortcut(x) if self.stride == 1 else y


class CifarMobileNetV2(nn.Module):
    STAGES = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 32, 3)
        layers, inputs = [], 32
        for expansion, outputs, count, stride in self.STAGES:
            for i in range(count):
                layers.append(CifarInverted(inputs, outputs, expansion, stride if i == 0 else 1))
                inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.conv2, self.bn2 = conv_bn(320, 1280, 1)
        self.linear = nn.Linear(1280, 10)

    def forward(self, x):
        x = self.layers(activate(self.bn1(self.conv1(x))))
        x = activate(self.bn2(self.conv2(x)))
        return self.linear(x.mean((2, 3)))


class ImagenetInverted(nn.Module):
    def __init__(self, inputs, outputs, expansion, stride):
        super().__init__()
        hidden = expansion * inputs
        self.adds = stride == 1 and inputs == outputs
        unit = lambda *spec: nn.Sequential(*conv_bn(*spec), Activation())
        expand = [unit(inputs, hidden, 1)] if expansion > 1 else []
        self.conv = nn.Sequential(*expand, unit(hidden, hidden, 3, stride, hidden), *conv_bn(hidden, outputs, 1))

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class ImagenetMobileNetV2(nn.Module):
    STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]

    def __init__(self):
        super().__init__()
        layers, inputs = [nn.Sequential(*conv_bn(3, 32, 3, 2), Activation())], 32
        for expansion, outputs, count, stride in self.STAGES:
            for i in range(count):
                layers.append(ImagenetInverted(inputs, outputs, expansion, stride if i == 0 else 1))
                inputs = outputs
        layers.append(nn.Sequential(*conv_bn(320, 1280, 1), Activation()))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


# --- DenseNet ---

class DenseLayer(nn.Module):
    def __init__(self, inputs, norm, order):
        super().__init__()
        self.norm, self.order = norm, order
        for i, spec in enumerate([(inputs, 128, 1), (128, 32, 3)], 1):
            setattr(self, f"{norm}{i}", nn.BatchNorm2d(spec[0]))
            setattr(self, f"conv{i}", conv_bn(*spec)[0])

    def forward(self, x):
        y = x
        for i in (1, 2):
            y = getattr(self, f"conv{i}")(activate(getattr(self, f"{self.norm}{i}")(y)))
        return torch.cat([y, x] if self.order == "new first" else [x, y], 1)


class CifarTransition(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.bn, self.conv = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, inputs // 2, 1, bias=False)

    def forward(self, x):
        return functional.avg_pool2d(self.conv(activate(self.bn(x))), 2)


class CifarDenseNet(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.conv1, channels = nn.Conv2d(3, 64, 3, padding=1, bias=False), 64
        for i, count in enumerate(blocks, 1):
            layers = [DenseLayer(channels + 32 * j, "bn", "new first") for j in range(count)]
            setattr(self, f"dense{i}", nn.Sequential(*layers))
            channels += 32 * count
            if i < len(blocks):
                setattr(self, f"trans{i}", CifarTransition(channels))
                channels //= 2
        self.bn, self.linear = nn.BatchNorm2d(channels), nn.Linear(channels, 10)

    def forward(self, x):
        x = self.conv1(x)
        for i in range(1, 5):
            x = getattr(self, f"dense{i}")(x)
            if i < 4:
                x = getattr(self, f"trans{i}")(x)
        return self.linear(activate(self.bn(x)).mean((2, 3)))


class ImagenetDenseNet(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        parts = {"conv0": nn.Conv2d(3, 64, 7, 2, 3, bias=False), "norm0": nn.BatchNorm2d(64)}
        parts |= {"relu0": Activation(), "pool0": nn.MaxPool2d(3, 2, 1)}
        channels = 64
        for i, count in enumerate(blocks, 1):
            layers = {f"denselayer{j + 1}": DenseLayer(channels + 32 * j, "norm", "old first") for j in range(count)}
            parts[f"denseblock{i}"] = sequential(layers)
            channels += 32 * count
            if i < len(blocks):
                convolution = nn.Conv2d(channels, channels // 2, 1, bias=False)
                transition = {"norm": nn.BatchNorm2d(channels), "relu": Activation(), "conv": convolution, "pool": nn.AvgPool2d(2)}
                parts[f"transition{i}"] = sequential(transition)
                channels //= 2
        parts["norm5"] = nn.BatchNorm2d(channels)
        self.features, self.classifier = sequential(parts), nn.Linear(channels, 1000)

    def forward(self, x):
        return self.classifier(activate(self.features(x)).mean((2, 3)))


def sequential(parts):
    module = nn.Sequential()
    for name, part in parts.items():
        module.add_module(name, part)
    return module


# --- results ---

def amplitude(name, shape):
    if len(shape) > 1:
        return math.sqrt(3 / math.prod(shape[1:]))
    return {"weight": 0.3, "bias": 0.1, "running_mean": 0.2, "running_var": 0.5}[name.rsplit(".", 1)[-1]]


def fill(model):
    """Numbers by formula; a factor or a variance is around 1, everything else around 0. Returns names and shapes."""
    entries = []
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            shape = list(tensor.shape)
            centre = 1 if len(shape) == 1 and name.endswith(("weight", "running_var")) else 0
            values = single(centre + noise(tensor.numel(), amplitude(name, shape), len(entries) + 1))
            tensor.copy_(torch.tensor(values).reshape(shape))
            entries.append([name, shape])
    return entries


def sampled(tensor):
    flat = tensor.detach().reshape(-1)
    stride = max(1, flat.numel() // SAMPLE)
    return {"stride": stride, "largest": flat.abs().max().item(), "sample": rounded(flat[::stride])}


def record(model, shape, original):
    """
    Inference with the original activation. Training with ELU, which has no kink: with random weights, a batch of four and
    ReLU even PyTorch's own float32 gradients of ResNet101 are 29 % off its float64 ones.
    """
    global activation
    model = model.double()
    entries = fill(model)
    images = torch.tensor(noise(BATCH * math.prod(shape), 1.0, IMAGES).reshape(BATCH, *shape)).permute(0, 3, 1, 2)
    labels = torch.tensor([(3 * i) % 10 for i in range(BATCH)])
    activation = original
    with torch.no_grad():
        inference = model.eval()(images)
    activation = functional.elu
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # its draws are not PyTorch's
    training = model.train()(images)
    loss = functional.cross_entropy(training, labels)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    running = {name: buffer for name, buffer in model.named_buffers() if "running" in name}
    return {
        "inputShape": list(shape), "entries": entries, "loss": loss.item(),
        "inference": rounded(inference), "training": rounded(training),
        "largestGradient": max(gradient.abs().max().item() for gradient in gradients.values()),
        "gradients": spread(gradients), "running": spread(running),
    }


def spread(tensors):
    """The first, the last and some between."""
    names = list(tensors)
    chosen = sorted({round(i * (len(names) - 1) / 11) for i in range(12)}) if names else []
    return {names[i]: sampled(tensors[names[i]]) for i in chosen}


def write(name, content):
    made = f"scripts/make-zoo-fixtures.py, PyTorch {torch.__version__.split('+')[0]}, float64"
    path = OUT / f"zoo-{name}.json"
    path.write_text(json.dumps({"madeBy": made, "batch": BATCH, **content}, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


SMALL, LARGE = (32, 32, 3), (64, 64, 3)
RELU, RELU6 = functional.relu, functional.relu6
NETWORKS = {
    "vggMnist": (VggMnist, (32, 32, 1), RELU),
    "vgg8": (Vgg8, SMALL, RELU),
    "mobileNetV2": (CifarMobileNetV2, SMALL, RELU),
    "resnet18": (lambda: ResNet("basic", [2, 2, 2, 2], "cifar"), SMALL, RELU),
    "resnet101": (lambda: ResNet("bottleneck", [3, 4, 23, 3], "cifar"), SMALL, RELU),
    "denseNet121": (lambda: CifarDenseNet([6, 12, 24, 16]), SMALL, RELU),
    "mobileNetV2-imagenet": (ImagenetMobileNetV2, LARGE, RELU6),
    "resnet18-imagenet": (lambda: ResNet("basic", [2, 2, 2, 2], "imagenet"), LARGE, RELU),
    "resnet50-imagenet": (lambda: ResNet("bottleneck", [3, 4, 6, 3], "imagenet"), LARGE, RELU),
    "denseNet121-imagenet": (lambda: ImagenetDenseNet([6, 12, 24, 16]), LARGE, RELU),
}

if __name__ == "__main__":
    for name, (make, shape, original) in NETWORKS.items():
        write(name, record(make(), shape, original))

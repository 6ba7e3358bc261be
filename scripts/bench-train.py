"""The PyTorch side of bench-train.mjs: times one training step for each line of standard input, and prints milliseconds.

A line is {"name", "peer", "batch", "precision"} as JSON; {"warmup": n} beside them runs n steps before. Peers: ReLU; PAU as
a good PyTorch user writes it (Horner); the same under torch.compile. Answers are JSON lines, {"error"} where one fails.
"""
import json
import sys
import time

import torch
from torch import nn

NUMERATOR = [0.033582615, 0.505000094, 1.65131516, 2.00451688, 0.927935914, 0.151537372]
DENOMINATOR = [9.16046984e-7, 3.96933909, 6.65119637e-7, 0.300073894]


class Pau(nn.Module):
    """P/(1 + |S|) by Horner's rule, differentiated by autograd: what one would write without a kernel."""

    def __init__(self):
        super().__init__()
        self.numerator = nn.Parameter(torch.tensor(NUMERATOR))
        self.denominator = nn.Parameter(torch.tensor(DENOMINATOR))

    def forward(self, x):
        p = self.numerator[5]
        for i in range(4, -1, -1):
            p = p * x + self.numerator[i]
        s = self.denominator[3]
        for k in range(2, -1, -1):
            s = s * x + self.denominator[k]
        return p / (1 + (s * x).abs())


def lenet(act):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), act(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), act(), nn.MaxPool2d(2),
        nn.Conv2d(16, 120, 5), act(), nn.Flatten(),
        nn.Linear(120, 84), act(), nn.Linear(84, 10),
    )


def vgg_mnist(act):
    layers, channels = [], 1
    for count, filters in ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, filters, 3, padding=1))
            channels = filters
        layers += [act(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def vgg8(act):
    layers, channels = [], 3
    for filters in (64, 128, 256, 512, 512):
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), act(), nn.MaxPool2d(2)]
        channels = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


class Residual(nn.Module):
    def __init__(self, body, shortcut, after):
        super().__init__()
        self.body, self.shortcut, self.after = body, shortcut, after

    def forward(self, x):
        return self.after(self.body(x) + self.shortcut(x))


def norm_conv(inputs, outputs, kernel, stride=1, groups=1):
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


def mobilenet_v2(act):
    layers, channels = [*norm_conv(3, 32, 3), act()], 32
    for expansion, filters, count, first in (
        (1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):
        for stride in [first] + [1] * (count - 1):
            hidden = expansion * channels
            body = nn.Sequential(
                *norm_conv(channels, hidden, 1), act(), *norm_conv(hidden, hidden, 3, stride, hidden), act(),
                *norm_conv(hidden, filters, 1),
            )
            if stride == 1:
                same = nn.Identity() if channels == filters else nn.Sequential(*norm_conv(channels, filters, 1))
                body = Residual(body, same, nn.Identity())
            layers.append(body)
            channels = filters
    layers += [*norm_conv(320, 1280, 1), act(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(1280, 10)]
    return nn.Sequential(*layers)


def resnet101(act):
    layers, channels = [*norm_conv(3, 64, 3), act()], 64
    for planes, count, first in ((64, 3, 1), (128, 4, 2), (256, 23, 2), (512, 3, 2)):
        for stride in [first] + [1] * (count - 1):
            body = nn.Sequential(
                *norm_conv(channels, planes, 1), act(), *norm_conv(planes, planes, 3, stride), act(),
                *norm_conv(planes, 4 * planes, 1),
            )
            fits = stride == 1 and channels == 4 * planes
            same = nn.Identity() if fits else nn.Sequential(*norm_conv(channels, 4 * planes, 1, stride))
            layers.append(Residual(body, same, act()))
            channels = 4 * planes
    return nn.Sequential(*layers, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(2048, 10))


NETWORKS = {
    "lenet": (lenet, (1, 32, 32)),
    "vggMnist": (vgg_mnist, (1, 32, 32)),
    "vgg8": (vgg8, (3, 32, 32)),
    "mobileNetV2": (mobilenet_v2, (3, 32, 32)),
    "resnet101": (resnet101, (3, 32, 32)),
}
ACTIVATIONS = {"pytorch-relu": nn.ReLU, "pytorch-pau": Pau, "pytorch-compile-pau": Pau}


def stepper(name, peer, batch, precision, memory_format):
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    model = make(ACTIVATIONS[peer]).to(memory_format=memory_format)
    images = torch.randn(batch, *shape).to(memory_format=memory_format)
    labels = torch.arange(batch) % 10
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002, fused=True)
    criterion = nn.CrossEntropyLoss()
    forward = torch.compile(model) if peer == "pytorch-compile-pau" else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = criterion(forward(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def milliseconds(step):
    began = time.perf_counter()
    step()
    return (time.perf_counter() - began) * 1000


def faster_stepper(*key):
    """In the memory format that is the faster one here: which one it is depends on the network."""
    steppers = [stepper(*key, memory_format) for memory_format in (torch.contiguous_format, torch.channels_last)]
    for step in steppers:
        step()
    return min(steppers, key=lambda step: min(milliseconds(step) for _ in range(3)))


def main():
    torch.set_num_threads(int(sys.argv[1]))
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    steps = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = tuple(request[field] for field in ("name", "peer", "batch", "precision"))
        if request.get("forget"):
            steps.clear()
        try:
            if key not in steps:
                steps[key] = faster_stepper(*key)
            for _ in range(request.get("warmup", 0)):
                steps[key]()
            print(json.dumps({"ms": milliseconds(steps[key])}), flush=True)
        except Exception as error:  # whatever torch.compile needs and does not find
            print(json.dumps({"error": str(error).strip().split("\n")[-1]}), flush=True)


if __name__ == "__main__":
    main()

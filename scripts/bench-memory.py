"""The PyTorch side of bench-memory.mjs: training steps of DenseNet on 32x32 images, and the process's peak memory as JSON.

    python bench-memory.py <batch> <steps> <threads>
"""
import json
import resource
import sys

import torch
from torch import nn
from torch.nn import functional as F

GROWTH = 32


class Bottleneck(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, 4 * GROWTH, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(4 * GROWTH), nn.Conv2d(4 * GROWTH, GROWTH, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.conv2(F.relu(self.bn2(self.conv1(F.relu(self.bn1(x))))))
        return torch.cat([y, x], 1)


class Transition(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn, self.conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, channels // 2, 1, bias=False)

    def forward(self, x):
        return F.avg_pool2d(self.conv(F.relu(self.bn(x))), 2)


def dense_net121():
    """As kuangliu/pytorch-cifar lays it out."""
    channels = 2 * GROWTH
    layers = [nn.Conv2d(3, channels, 3, padding=1, bias=False)]
    for index, count in enumerate((6, 12, 24, 16)):
        for _ in range(count):
            layers.append(Bottleneck(channels))
            channels += GROWTH
        if index < 3:
            layers.append(Transition(channels))
            channels //= 2
    layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(channels, 10)]
    return nn.Sequential(*layers)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    batch, steps, threads = map(int, sys.argv[1:4])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    # channels_last: PyTorch's own advice for convolutions on a CPU
    model = dense_net121().to(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 10
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002, fused=True)
    before = peak()
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()
    parameters = sum(p.numel() for p in model.parameters())
    print(json.dumps({"version": torch.__version__, "parameters": parameters, "before": before, "peak": peak()}))


main()

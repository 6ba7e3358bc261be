"""The PyTorch side of bench-train.mjs: times one training step for each line of standard input, and prints milliseconds.

A line is {"name", "activation", "batch"} as JSON; {"warmup": n} beside them runs n steps before. Answers are JSON lines.
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


def lenet(activation):
    act = {"relu": nn.ReLU, "pau": Pau}[activation]
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), act(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), act(), nn.MaxPool2d(2),
        nn.Conv2d(16, 120, 5), act(), nn.Flatten(),
        nn.Linear(120, 84), act(), nn.Linear(84, 10),
    )


NETWORKS = {"lenet": (lenet, (1, 32, 32))}


def stepper(name, activation, batch):
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    model = make(activation)
    images, labels = torch.randn(batch, *shape), torch.arange(batch) % 10
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002, fused=True)
    criterion = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def main():
    torch.set_num_threads(int(sys.argv[1]))
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    steps = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = (request["name"], request["activation"], request["batch"])
        if key not in steps:
            steps[key] = stepper(*key)
        for _ in range(request.get("warmup", 0)):
            steps[key]()
        began = time.perf_counter()
        steps[key]()
        print(json.dumps({"ms": (time.perf_counter() - began) * 1000}), flush=True)


main()

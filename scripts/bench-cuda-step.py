"""PyTorch eager's training step with ReLU on a GPU, channels_last: prints its median time and memory, for bench-cuda.mjs.

Arguments: network, batch, precision (tf32 or bf16), device. The networks are bench-train.py's.
"""
import json
import runpy
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

WARMUP, ROUNDS, STEPS = 12, 30, 5
name, batch, precision, device = sys.argv[1], int(sys.argv[2]), sys.argv[3], torch.device(sys.argv[4])
sys.argv[1:] = []
networks = runpy.run_path(str(Path(__file__).with_name("bench-train.py")), run_name="networks")["NETWORKS"]
torch.backends.cudnn.benchmark = True
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
torch.manual_seed(1)
build, shape = networks[name]
model = build(nn.ReLU).to(device, memory_format=torch.channels_last)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
images = torch.randn(batch, *shape, device=device).to(memory_format=torch.channels_last)
labels = torch.arange(batch, device=device) % 10


def step():
    optimizer.zero_grad()
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        loss = nn.functional.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss


for _ in range(WARMUP):
    step()
times = []
for _ in range(ROUNDS):
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(STEPS - 1):
        step()
    step().item()
    times.append((time.perf_counter() - start) * 1000 / STEPS)
print(json.dumps({"milliseconds": statistics.median(times), "bytes": torch.cuda.memory_reserved(device)}))

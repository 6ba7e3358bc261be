"""Answers JSON lines { folder, shape, values } with the logits of the network in the folder, until the input ends."""
import json
import os
import sys

import torch

sys.path.insert(0, sys.argv[1])
from load_graph import PublishedNetwork

torch.set_num_threads(1)
for line in sys.stdin:
    question = json.loads(line)
    images = torch.tensor(question['values']).reshape(question['shape']).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = PublishedNetwork(question['folder'])(images)
    names = sorted(name for name in os.listdir(question['folder']))
    print(json.dumps({'values': logits.flatten().tolist(), 'files': names}), flush=True)

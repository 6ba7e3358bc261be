"""Rebuilds a network that padezoo published, in PyTorch: safetensors/ holds its weights and its operators (graph.json).

    from load_graph import PublishedNetwork
    logits = PublishedNetwork('out/lenet-pade/safetensors')(images)  # [n, c, h, w]"""
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

OPERATORS = {
    'conv': lambda n, x, w: F.conv2d(padded(x, n['pads'], 0.0), w, None, n['strides'], 0, n['dilations']),
    'depthwise': lambda n, x, w: F.conv2d(padded(x, n['pads'], 0.0), w, None, n['strides'], 0, n['dilations'], x.shape[1]),
    'maxPool': lambda n, x: F.max_pool2d(padded(x, n['pads'], float('-inf')), n['size'], n['strides']),
    'averagePool': lambda n, x: torch.div(*(F.avg_pool2d(padded(y, n['pads'], 0.0), n['size'], n['strides']) for y in (x, torch.ones_like(x)))),
    'upsample': lambda n, x: x.repeat_interleave(n['factors'][0], 2).repeat_interleave(n['factors'][1], 3),
    'globalAverage': lambda n, x: x.mean((2, 3)),
    'globalMax': lambda n, x: x.amax((2, 3)),
    'batchNorm': lambda n, x, scale, offset, mean, var: F.batch_norm(x, mean, var, scale, offset, False, 0.0, n['epsilon']),
    'dense': lambda n, x, w: F.linear(x, w),
    'flatten': lambda n, x: x.flatten(1),
    'permute': lambda n, x: x.permute(0, *(axis + 1 for axis in n['axes'])),
    'concat': lambda n, *xs: torch.cat(xs, 1),
    'maxout': lambda n, x: x.unflatten(1, (-1, n['pieces'])).amax(2),
    'leakyRelu': lambda n, x: F.leaky_relu(x, n['slope']),
    'softmax': lambda n, x: x.softmax(1),
    'scalar': lambda n: torch.tensor(n['value']),
    'pick': lambda n, w: w[..., n['index']],
    'view': lambda n, w: w.reshape(n['shape']),
    **{name: lambda n, x, y, f=getattr(torch, name): f(x, y) for name in ('add', 'sub', 'mul', 'div')},
    **{name: lambda n, x, f=getattr(torch, name, None) or getattr(F, name): f(x) for name in ('relu', 'relu6', 'elu', 'sigmoid', 'tanh', 'abs', 'neg')},
}

def padded(x, pads, value):
    top, bottom, left, right = pads
    return F.pad(x, (left, right, top, bottom), value=value) if any(pads) else x


class PublishedNetwork(torch.nn.Module):
    def __init__(self, folder):
        super().__init__()
        with open(os.path.join(folder, 'graph.json')) as file:
            self.graph = json.load(file)
        weights = load_file(os.path.join(folder, 'model.safetensors'))
        self.weights = torch.nn.ParameterDict({name.replace('.', '/'): w.float() for name, w in weights.items()})

    def forward(self, images):
        values = {name.replace('/', '.'): w for name, w in self.weights.items()} | {self.graph['input']['name']: images}
        return self.run(self.graph, values)

    def run(self, graph, values):
        for node in graph['nodes']:
            inputs = [values[name] for name in node['inputs']]
            if node['op'] == 'call':
                function = self.graph['functions'][node['function']]
                values[node['name']] = self.run(function, dict(zip(function['parameters'], inputs)))
            else:
                values[node['name']] = OPERATORS[node['op']](node, *inputs)
        return values[graph['output']]

#!/usr/bin/env python3
"""Makes test/fixtures/*.json with PyTorch in float64:

    python3 scripts/make-fixtures.py && npx biome format --write test/fixtures

Formulas are written naively, as in the papers, and differentiated by autograd: nothing here knows how padezoo does it.
Inputs are rounded to float32 first, so that both sides start from the same numbers.
"""
import json
import math
import pathlib

import numpy as np
import torch

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures"
SEED = 20240601
ORDERS = [(5, 4), (4, 4), (3, 2), (7, 6), (1, 1), (10, 10), (0, 1), (2, 5)]
FORMS = [("absolute-sum", 1.0), ("absolute-sum", 0.1), ("sum-of-absolutes", 1.0), ("sum-of-absolutes", 0.1), ("unsafe", 1.0)]
NEAR = [0.0, -0.0, 1e-30, -1e-30, 1.0, -1.0]
FAR = [1e4, -1e4, 1e5, -1e5, 1e30, -1e30]


def single(values):
    """Float64 numbers that float32 holds exactly."""
    return np.asarray(values, dtype=np.float64).astype(np.float32).astype(np.float64)


def rounded(tensor, digits=10):
    array = tensor.detach().numpy() if isinstance(tensor, torch.Tensor) else np.asarray(tensor)
    return [float(f"{v:.{digits}g}") for v in array.reshape(-1)]


def pade(x, a, b, form, q):
    p = sum(a[i] * x**i for i in range(len(a)))
    if form == "sum-of-absolutes":
        return p / (q + sum(b[k].abs() * x.abs() ** (k + 1) for k in range(len(b))))
    s = sum(b[k] * x ** (k + 1) for k in range(len(b)))
    return p / (q + s.abs()) if form == "absolute-sum" else p / (1 + s)


def gradients(x, dy, a, b, form, q):
    x, a, b = (torch.tensor(v, requires_grad=True) for v in (x, a, b))
    y = pade(x, a, b, form, q)
    y.backward(torch.tensor(dy))
    return {"y": rounded(y), "dx": rounded(x.grad), "da": rounded(a.grad), "db": rounded(b.grad)}


def well_conditioned(x, b, form):
    """Away from a pole, and from S = 0, where the sign of |S| is a matter of rounding."""
    if form == "sum-of-absolutes":
        return np.ones(len(x), bool)
    terms = np.stack([b[k] * x ** (k + 1) for k in range(len(b))])
    s, size = terms.sum(0), np.abs(terms).sum(0)
    return np.abs(s) > 1e-3 * size if form == "absolute-sum" else np.abs(1 + s) > 0.05 * (1 + size)


def pade_fixture():
    rng = np.random.default_rng(SEED)
    cases = []
    for m, n in ORDERS:
        for form, q in FORMS:
            a, b = single(rng.normal(size=m + 1)), single(rng.normal(size=n))
            if form == "unsafe":  # even powers positive and odd ones small: no pole among the inputs
                b = single([abs(v) + 0.1 if k % 2 else 0.2 * v for k, v in enumerate(b)])
            draws = single(rng.uniform(-4, 4, size=400))
            x = draws[well_conditioned(draws, b, form)][:20]
            near = single(NEAR + list(x))
            if form == "unsafe":
                near = near[well_conditioned(near, b, form)]
            far = single(FAR)
            case = {"order": [m, n], "form": form, "q": q, "numerator": a.tolist(), "denominator": b.tolist()}
            for name, points in (("near", near), ("far", far)):
                dy = single(rng.normal(size=len(points)))
                case[name] = {"x": points.tolist(), "dy": dy.tolist(), **gradients(points, dy, a, b, form, q)}
            cases.append(case)
    return {"seed": SEED, "cases": cases}


# --- one training step of LeNet: weights and images by a formula that the test computes as well ---

def noise(count, amplitude, phase):
    """Of [-amplitude, amplitude): the fraction of a large multiple of a sine, a formula that any language can write."""
    i = np.arange(1, count + 1, dtype=np.float64)
    return single(amplitude * (2 * np.mod(np.sin(12.9898 * i + 78.233 * phase) * 43758.5453, 1) - 1))


# name, shape in tfjs's layout (HWIO, [in, out]), fan in
LAYERS = [
    ("conv1/kernel", (5, 5, 1, 6), 25), ("conv1/bias", (6,), 25),
    ("conv2/kernel", (5, 5, 6, 16), 150), ("conv2/bias", (16,), 150),
    ("conv3/kernel", (5, 5, 16, 120), 400), ("conv3/bias", (120,), 400),
    ("dense1/kernel", (120, 84), 120), ("dense1/bias", (84,), 120),
    ("logits/kernel", (84, 10), 84), ("logits/bias", (10,), 84),
]
# The 'lrelu:0.01' fit of src/activations/coefficients.ts, form 'absolute-sum'.
NUMERATOR = [0.033582615, 0.505000094, 1.65131516, 2.00451688, 0.927935914, 0.151537372]
DENOMINATOR = [9.16046984e-7, 3.96933909, 6.65119637e-7, 0.300073894]
BATCH = 8
SAMPLE = 200  # elements kept of a tensor


def lenet_parameters(activation):
    parameters = {}
    for index, (name, shape, fan_in) in enumerate(LAYERS):
        values = noise(math.prod(shape), 1.5 / math.sqrt(fan_in), index).reshape(shape)
        parameters[name] = torch.tensor(values, requires_grad=True)
    if activation == "pau":
        for site in range(1, 5):
            parameters[f"act{site}/numerator"] = torch.tensor(single(NUMERATOR), requires_grad=True)
            parameters[f"act{site}/denominator"] = torch.tensor(single(DENOMINATOR), requires_grad=True)
    return parameters


def lenet(parameters, images, activation):
    functional = torch.nn.functional

    def act(x, site):
        if activation == "relu":
            return functional.relu(x)
        return pade(x, parameters[f"act{site}/numerator"], parameters[f"act{site}/denominator"], "absolute-sum", 1.0)

    def conv(x, name):
        return functional.conv2d(x, parameters[f"{name}/kernel"].permute(3, 2, 0, 1), parameters[f"{name}/bias"])

    x = images.permute(0, 3, 1, 2)
    x = functional.max_pool2d(act(conv(x, "conv1"), 1), 2)
    x = functional.max_pool2d(act(conv(x, "conv2"), 2), 2)
    x = act(conv(x, "conv3"), 3).flatten(1)
    x = act(x @ parameters["dense1/kernel"] + parameters["dense1/bias"], 4)
    return x @ parameters["logits/kernel"] + parameters["logits/bias"]


OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.002),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
}


def lenet_step(activation):
    images = torch.tensor(noise(BATCH * 32 * 32, 1.0, 0.5).reshape(BATCH, 32, 32, 1))
    labels = torch.tensor([(3 * i) % 10 for i in range(BATCH)])
    parameters = lenet_parameters(activation)
    logits = lenet(parameters, images, activation)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    record = {"loss": loss.item(), "logits": rounded(logits), "gradients": {}, "updated": {}}
    for name, tensor in parameters.items():
        stride = max(1, tensor.numel() // SAMPLE)
        flat = tensor.grad.reshape(-1)
        record["gradients"][name] = {
            "shape": list(tensor.shape), "stride": stride, "largest": flat.abs().max().item(),
            "sum": flat.sum().item(), "norm": flat.norm().item(), "sample": rounded(flat[::stride]),
        }
    for optimizer, make in OPTIMIZERS.items():
        fresh = lenet_parameters(activation)
        for name, tensor in fresh.items():
            tensor.grad = parameters[name].grad.clone()
        make(list(fresh.values())).step()
        record["updated"][optimizer] = {
            name: rounded(tensor.reshape(-1)[:: record["gradients"][name]["stride"]]) for name, tensor in fresh.items()
        }
    return record


# --- optimizers over several steps, with gradients by formula ---

SHAPES = [(5, 3), (7,), (2, 2, 3, 4)]
STEPS = 4
VARIANTS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "sgd momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    "sgd nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-6),
    "adam coupled": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adam decoupled": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


def optimizer_fixture():
    record = {"shapes": SHAPES, "steps": STEPS, "results": {}}
    for name, make in VARIANTS.items():
        variables = [torch.tensor(noise(math.prod(s), 1, i).reshape(s), requires_grad=True) for i, s in enumerate(SHAPES)]
        optimizer = make(variables)
        for step in range(STEPS):
            for i, variable in enumerate(variables):
                variable.grad = torch.tensor(noise(variable.numel(), 0.5, 10 * step + i).reshape(variable.shape))
            optimizer.step()
        record["results"][name] = [rounded(variable) for variable in variables]
    return record


# --- batch normalisation over a few steps, its formula written out ---

BATCH_NORMS = [([8, 5], 1e-5, 0.1), ([3, 4, 4, 6], 1e-5, 0.1), ([2, 3, 5, 1], 1e-3, 0.4)]


def batch_norm_fixture():
    cases = []
    for shape, epsilon, momentum in BATCH_NORMS:
        channels = shape[-1]
        numbers = lambda count, phase: torch.tensor(noise(count, 1, phase))
        mean, variance = numbers(channels, 1), torch.tensor(single(noise(channels, 1, 2) + 1.5))
        gamma, beta = (numbers(channels, phase).requires_grad_() for phase in (3, 4))
        images = numbers(math.prod(shape), 5).reshape(shape)
        axes = list(range(len(shape) - 1))
        count = math.prod(shape[:-1])
        steps = []
        for index in range(3):
            x = (images * (index + 1) + index).requires_grad_()
            batch_mean = x.mean(axes)
            biased = ((x - batch_mean) ** 2).mean(axes)
            y = (x - batch_mean) / torch.sqrt(biased + epsilon) * gamma + beta
            dy = numbers(math.prod(shape), 10 + index).reshape(shape)
            dx, dgamma, dbeta = torch.autograd.grad(y, (x, gamma, beta), dy)
            mean = (1 - momentum) * mean + momentum * batch_mean.detach()
            variance = (1 - momentum) * variance + momentum * biased.detach() * count / (count - 1)
            values = {"y": y, "dx": dx, "dgamma": dgamma, "dbeta": dbeta, "mean": mean, "variance": variance}
            steps.append({name: rounded(value) for name, value in values.items()})
        inference = (images - mean) / torch.sqrt(variance + epsilon) * gamma + beta
        cases.append({"shape": shape, "epsilon": epsilon, "momentum": momentum, "steps": steps, "inference": rounded(inference)})
    return {"cases": cases}


def write(name, content):
    record = {"madeBy": f"scripts/make-fixtures.py, PyTorch {torch.__version__.split('+')[0]}, float64", **content}
    path = OUT / f"{name}.json"
    path.write_text(json.dumps(record, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


OUT.mkdir(parents=True, exist_ok=True)
torch.manual_seed(SEED)
write("pade", pade_fixture())
write("lenet-step", {activation: lenet_step(activation) for activation in ("pau", "relu")})
write("optimizers", optimizer_fixture())
write("batch-norm", batch_norm_fixture())

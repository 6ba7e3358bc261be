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


# --- Padé with a constant in the denominator, and with a set of coefficients for each group of channels ---

def pade_sets(x, a, b, form, q):
    """As `pade`, but a and b have a column of coefficients for each of x's channels."""
    p = sum(a[:, i] * x**i for i in range(a.shape[1]))
    if form == "sum-of-absolutes":
        return p / (q + sum(b[:, k].abs() * x.abs() ** (k + 1) for k in range(b.shape[1])))
    first = 0 if form == "absolute-polynomial" else 1
    s = sum(b[:, k] * x ** (k + first) for k in range(b.shape[1]))
    return p / (1 + s) if form == "unsafe" else p / (q + s.abs())


def pade_sets_fixture():
    rng = np.random.default_rng(SEED + 1)
    cases = []
    # form, q, order, channels, groups; one group stands for coefficients without a group axis
    for form, q, (m, n), channels, groups in [
        ("absolute-polynomial", 0.1, (5, 4), 3, 1), ("absolute-polynomial", 0.5, (2, 3), 5, 5),
        ("absolute-sum", 1.0, (5, 4), 6, 6), ("absolute-sum", 1.0, (5, 4), 7, 3), ("absolute-sum", 0.1, (3, 2), 16, 4),
        ("sum-of-absolutes", 1.0, (5, 4), 20, 20), ("unsafe", 1.0, (4, 4), 5, 2),
    ]:
        first = 0 if form == "absolute-polynomial" else 1
        a, b = single(rng.normal(size=(groups, m + 1))), single(rng.normal(size=(groups, n + 1 - first)))
        if form == "unsafe":  # no pole
            b = single(np.abs(b) * [0.05 if k % 2 == 0 else 1 for k in range(b.shape[1])])
        if form == "absolute-polynomial":  # away from S = 0, where the sign is a matter of rounding
            b = single(np.abs(b) * [0.05 if k % 2 else 1 for k in range(b.shape[1])])
        x = single(rng.uniform(-3, 3, size=(9, channels)))
        dy = single(rng.normal(size=x.shape))
        ta, tb, tx = (torch.tensor(v, requires_grad=True) for v in (a, b, x))
        group_of = [c * groups // channels for c in range(channels)]
        y = pade_sets(tx, ta[group_of], tb[group_of], form, q)
        y.backward(torch.tensor(dy))
        cases.append({
            "form": form, "q": q, "order": [m, n], "groups": groups, "shape": list(x.shape),
            "numerator": rounded(torch.tensor(a)), "denominator": rounded(torch.tensor(b)),
            "x": rounded(torch.tensor(x)), "dy": rounded(torch.tensor(dy)), "y": rounded(y),
            "dx": rounded(tx.grad), "da": rounded(ta.grad), "db": rounded(tb.grad),
        })
    return {"seed": SEED + 1, "cases": cases}


# --- the baseline activations ---

def baselines():
    functional = torch.nn.functional
    zero = torch.zeros((), dtype=torch.float64)
    hinge = lambda v: torch.maximum(v, zero)
    return {  # name -> (options, parameters by the layer's names, function of x and parameters)
        "relu": ({}, {}, lambda x: functional.relu(x)),
        "relu6": ({}, {}, lambda x: functional.relu6(x)),
        "lrelu": ({"slope": 0.2}, {}, lambda x: functional.leaky_relu(x, 0.2)),
        "rrelu": ({}, {}, lambda x: functional.rrelu(x, 1 / 8, 1 / 3, training=False)),
        "elu": ({}, {}, lambda x: functional.elu(x)),
        "celu": ({"alpha": 0.7}, {}, lambda x: functional.celu(x, 0.7)),
        "swish": ({}, {}, lambda x: functional.silu(x)),
        "swish beta": ({"beta": 1.5}, {}, lambda x: x * torch.sigmoid(1.5 * x)),
        "prelu": ({}, {"slope": [0.25]}, lambda x, slope: functional.prelu(x, slope)),
        "mixture": ({}, {"mixture": [0.3, -0.2]},
                    lambda x, w: (torch.softmax(w, 0) * torch.stack([x, functional.relu(x)], -1)).sum(-1)),
        "mixture linear": ({"combination": "linear"}, {"mixture": [0.3, 0.9]}, lambda x, w: w[0] * x + w[1] * functional.relu(x)),
        "slaf": ({}, {"coefficients": [0.1, 0.5, 0.3, -0.02, 0.01, -0.003]}, lambda x, a: sum(a[i] * x**i for i in range(6))),
        "apl": ({}, {"slopes": [0.3, -0.4, 0.1, 0.25, -0.15], "hinges": [0.5, -0.75, 1.5, -2.0, 0.1]},
                lambda x, a, b: functional.relu(x) + sum(a[i] * hinge(b[i] - x) for i in range(5))),
        "srelu": ({}, {"thresholds": [1.3, -0.6], "slopes": [0.7, 0.3]}, lambda x, t, a: torch.where(
            x >= t[0], t[0] + a[0] * (x - t[0]), torch.where(x <= t[1], t[1] + a[1] * (x - t[1]), x))),
        "maxout": ({}, {}, lambda x: x.reshape(*x.shape[:-1], -1, 2).max(-1).values),
    }


def baselines_fixture():
    rng = np.random.default_rng(SEED + 2)
    awkward = [0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 30.0, -30.0, 5.9999, 6.5, 87.0, -87.0]
    cases = []
    for name, (options, parameters, function) in baselines().items():
        large = [] if name == "slaf" else awkward
        x = single(np.array(large + list(rng.uniform(-4, 4, size=40 - len(large))))).reshape(-1, 2)
        inputs = [torch.tensor(x, requires_grad=True)]
        inputs += [torch.tensor(single(np.array(v)), requires_grad=True) for v in parameters.values()]
        y = function(*inputs)
        dy = torch.tensor(single(rng.normal(size=tuple(y.shape))))
        y.backward(dy)
        cases.append({
            "name": name.split(" ")[0], "options": options, "shape": list(x.shape), "x": rounded(torch.tensor(x)),
            "dy": rounded(dy), "y": rounded(y), "dx": rounded(inputs[0].grad),
            "parameters": {key: rounded(value) for key, value in zip(parameters, inputs[1:])},
            "gradients": {key: rounded(value.grad) for key, value in zip(parameters, inputs[1:])},
        })
    return {"seed": SEED + 2, "cases": cases}


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
write("pade-sets", pade_sets_fixture())
write("baselines", baselines_fixture())

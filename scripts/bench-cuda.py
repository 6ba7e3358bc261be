"""The Padé kernels of a GPU beside PyTorch's ReLU, Horner PAUs and the published schemes, batch normalisation with Padé behind it
(and behind its sum with a residual) beside PyTorch's with ReLU, and depthwise convolutions beside cuDNN's; prints JSON, for
bench-cuda.mjs.

Arguments: the operators' library, a device such as cuda, the largest number of elements, nvcc. Also checks, and fails on: values
and gradients against float64, outputs that keep their poison, and any difference between two runs.
"""
import ctypes
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

LIBRARY, DEVICE, LARGEST, NVCC = sys.argv[1], torch.device(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
A = [0.033582615, 0.505000094, 1.65131516, 2.00451688, 0.927935914, 0.151537372]
B = [9.16046984e-7, 3.96933909, 6.65119637e-7, 0.300073894]
SMALL = (2**10, 2**16)  # where the launch is the time
ROUNDS = 30
CHECKED = 2**22  # elements that are also calculated in float64
CHANNELS, EPSILON = 256, 1e-5  # of the batch normalisation
IMAGE = 56 * 56 * CHANNELS  # elements of one that is convolved
TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 1e-2, torch.float16: 1e-2}


def milliseconds(work, calls):
    """Median over rounds, by events on the stream, of `calls` calls each."""
    for _ in range(3):
        work()
    times = []
    for _ in range(ROUNDS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(calls):
            work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / calls)
    return statistics.median(times)


def horner(x, a, b, form):
    p = a[5]
    for i in range(4, -1, -1):
        p = p * x + a[i]
    if form == "absolute-sum":
        s = b[3]
        for k in range(2, -1, -1):
            s = s * x + b[k]
        return p / (1 + (s * x).abs())
    u, s = x.abs(), b[3].abs()
    for k in range(2, -1, -1):
        s = s * u + b[k].abs()
    return p / (1 + s * u)


def in_double(x, g, form):
    """y, dx, da, db by autograd in float64."""
    wide = x.double().requires_grad_()
    a = torch.tensor(A, dtype=torch.float64, device=x.device, requires_grad=True)
    b = torch.tensor(B, dtype=torch.float64, device=x.device, requires_grad=True)
    y = horner(wide, a, b, form)
    y.backward(g.double())
    return y.detach(), wide.grad, a.grad, b.grad


def worst(got, expected, factor):
    """The largest error, relative to the expected value or to the factor that it was multiplied with, but at least to 1."""
    return ((got.double() - expected).abs() / expected.abs().maximum(factor.double().abs()).clamp_min(1)).max().item()


def relative(got, expected):
    return ((got.double() - expected).abs() / expected.abs().clamp_min(1e-30)).max().item()


def build_peers():
    library = Path(tempfile.mkdtemp()) / "peers.so"
    source = Path(__file__).with_name("bench-cuda-peers.cu")
    subprocess.run(
        [NVCC, "-O3", "-std=c++17", "-arch=native", "-shared", "-Xcompiler", "-fPIC", str(source), "-o", str(library)],
        check=True,
        stdout=sys.stderr,
    )
    return ctypes.CDLL(str(library))


def pointer(tensor):
    return ctypes.c_void_p(tensor.data_ptr())


def check(dtype):
    """What the issue asks of correctness, on the device; raises where it does not hold."""
    for form in ("absolute-sum", "sum-of-absolutes"):
        x = torch.randn(CHECKED + 5, device=DEVICE).to(dtype)
        g = torch.randn(CHECKED + 5, device=DEVICE).to(dtype)
        a, b = torch.tensor(A, device=DEVICE), torch.tensor(B, device=DEVICE)
        poison = torch.full_like(x, float("nan"))
        del poison  # its memory is handed out next: what is not written stays NaN
        y = torch.ops.pade.forward(x, a, b, form, 1.0, None, 0.0)
        results = torch.ops.pade.backward(g, x, a, b, form, 1.0, None, 0.0)
        again = torch.ops.pade.backward(g, x, a, b, form, 1.0, None, 0.0)
        expected = in_double(x, g, form)
        errors = [worst(y, expected[0], torch.ones_like(y)), worst(results[0], expected[1], g)]
        sums = [relative(got, want) for got, want in zip(results[1:], expected[2:])]
        if not all(torch.equal(p, q) for p, q in zip(results, again)):
            raise SystemExit(f"bench-cuda: two runs differ ({dtype}, {form})")
        if not all(error <= TOLERANCE[dtype] for error in errors):
            raise SystemExit(f"bench-cuda: {dtype}, {form}: errors {errors} against float64, allowed {TOLERANCE[dtype]}")
        print(f"{dtype} {form}: outputs {errors}, coefficients {sums}", file=sys.stderr)


def differ(what, got, again, want, tolerance):
    """Raises where two runs differ, or one from float64 by more than the tolerance of the largest value."""
    errors = [((mine.double() - exact).abs() / exact.abs().max()).max().item() for mine, exact in zip(got, want)]
    print(f"{what}: {errors}", file=sys.stderr)
    if not all(torch.equal(p, q) for p, q in zip(got, again)):
        raise SystemExit(f"bench-cuda: two runs differ ({what})")
    if not all(error <= tolerance for error in errors):
        raise SystemExit(f"bench-cuda: {what}: errors {errors} against float64, allowed {tolerance}")


def normalised(x, gamma, beta):
    mean, variance = x.mean(0), x.var(0, unbiased=False)
    return (x - mean) / (variance + EPSILON).sqrt() * gamma + beta


def check_batch_norm(dtype):
    """Batch normalisation with Padé behind it, without a residual and with one, against autograd in float64."""
    x = torch.randn(CHECKED // CHANNELS + 5, CHANNELS, device=DEVICE).mul(2).add(1).to(dtype)
    g, r = torch.randn_like(x), torch.randn_like(x)
    gamma, beta = torch.rand(CHANNELS, device=DEVICE) + 0.5, torch.randn(CHANNELS, device=DEVICE)
    a, b = torch.tensor(A, device=DEVICE), torch.tensor(B, device=DEVICE)
    running = torch.zeros(CHANNELS, device=DEVICE), torch.ones(CHANNELS, device=DEVICE)
    ours, activation = torch.ops.padezoo, (a, b, "absolute-sum", 1.0)
    for what, added in (("", ()), (", a residual", (r,))):
        forward = ours.batch_norm_add_pade if added else ours.batch_norm_pade
        back = ours.batch_norm_add_pade_backward if added else ours.batch_norm_pade_backward
        y, mean, inverse = forward(x, gamma, beta, *running, 0.1, EPSILON, *added, *activation)
        upstream = (g, r) if added else (g,)  # at a residual block's end it comes as two terms
        run = lambda: (y, *back(*upstream, x, gamma, beta, mean, inverse, *added, *activation))
        leaves = [t.double().requires_grad_() for t in (x, gamma, beta, *added, a, b)]
        expected = horner(sum([normalised(*leaves[:3]), *leaves[3:-2]]), *leaves[-2:], "absolute-sum")
        gradients = torch.autograd.grad(expected, leaves, sum(upstream).double())
        differ(f"{dtype} batch normalisation{what} and Padé", run(), run(), (expected, *gradients), 10 * TOLERANCE[dtype])


def nchw(x):
    return x.permute(0, 3, 1, 2)


def check_depthwise(dtype):
    """Depthwise convolutions, with a stride and without, against float64."""
    x, taps = torch.randn(8, 57, 58, 144, device=DEVICE).to(dtype), torch.randn(3, 3, 144, 1, device=DEVICE).to(dtype)
    for stride in (1, 2):
        window = ((stride, stride), (1, 1, 1, 1), (1, 1))
        leaves = [t.double().requires_grad_() for t in (x, taps)]
        expected = torch.nn.functional.conv2d(nchw(leaves[0]), leaves[1].permute(2, 3, 0, 1), None, stride, 1, 1, 144)
        expected = expected.permute(0, 2, 3, 1)
        g = torch.randn(expected.shape, device=DEVICE).to(dtype)
        run = lambda: (
            torch.ops.padezoo.depthwise(x, taps, *window),
            torch.ops.padezoo.depthwise_input(g, taps, x.shape[1:3], *window),
            torch.ops.padezoo.depthwise_filter(g, x, (3, 3), *window),
        )
        gradients = torch.autograd.grad(expected, leaves, g.double())
        differ(f"{dtype} depthwise, stride {stride}", run(), run(), (expected, *gradients), 10 * TOLERANCE[dtype])


def depthwise_rows(row, x, g, passes):
    """3x3 over [n, 56, 56, c] beside what PyTorch takes for it, channels_last; bytes: what each reads and writes once, in passes."""
    ours, aten, channels = torch.ops.padezoo, torch.ops.aten, x.shape[-1]
    taps = torch.randn(3, 3, channels, 1, device=DEVICE).to(x.dtype)
    window, weight = ((1, 1), (1, 1, 1, 1), (1, 1)), taps.permute(2, 3, 0, 1).contiguous()

    def backward(mask):
        return aten.convolution_backward(nchw(g), nchw(x), weight, None, (1, 1), (1, 1), (1, 1), False, (0, 0), channels, mask)

    name = "depthwise 3x3"
    row(f"{name}, PyTorch", "forward", lambda: aten.convolution(nchw(x), weight, None, (1, 1), (1, 1), (1, 1), False, (0, 0), channels), passes)
    row(f"{name}, padezoo", "forward", lambda: ours.depthwise(x, taps, *window), passes)
    row(f"{name}, PyTorch", "by x", lambda: backward([True, False, False]), passes)
    row(f"{name}, padezoo", "by x", lambda: ours.depthwise_input(g, taps, x.shape[1:3], *window), passes)
    row(f"{name}, PyTorch", "by filter", lambda: backward([False, True, False]), passes)
    row(f"{name}, padezoo", "by filter", lambda: ours.depthwise_filter(g, x, (3, 3), *window), passes)


def batch_norm_rows(row, x, g, a, b):
    """Bytes are those of the fused operators: forward reads x twice and writes y, backward reads x twice, dy and dz and writes dz
    and dx; with a residual each reads that as well, and backward a second dy."""
    gamma, beta, mean, variance = (torch.ones(CHANNELS, device=DEVICE) for _ in range(4))
    ours, aten = torch.ops.padezoo, torch.ops.aten
    statistics = (gamma, beta, mean, variance)
    _, average, inverse = ours.batch_norm_pade(x, *statistics, 0.1, EPSILON, a, b, "absolute-sum", 1.0)

    def forward():
        normal = aten.native_batch_norm(x, *statistics, True, 0.1, EPSILON)
        return torch.relu(normal[0])

    y = forward()

    def backward(dy=g):
        dz = aten.threshold_backward(dy, y, 0)
        return aten.native_batch_norm_backward(dz, x, gamma, mean, variance, average, inverse, True, EPSILON, [True] * 3)

    row("batch norm + ReLU, PyTorch", "forward", forward, 3)
    row("batch norm + ReLU, PyTorch", "backward", backward, 6)
    added = (x, a, b, "absolute-sum", 1.0)

    def with_sum():
        normal = aten.native_batch_norm(x, *statistics, True, 0.1, EPSILON)
        return torch.relu(normal[0] + g)

    row("batch norm + residual + ReLU, PyTorch", "forward", with_sum, 4)
    row("batch norm + residual + ReLU, PyTorch", "backward", lambda: backward(g + x), 8)
    row("batch norm + residual + PAU, padezoo", "forward",
        lambda: ours.batch_norm_add_pade(x, *statistics, 0.1, EPSILON, g, a, b, "absolute-sum", 1.0), 4)
    row("batch norm + residual + PAU, padezoo", "backward",
        lambda: ours.batch_norm_add_pade_backward(g, x, x, gamma, beta, average, inverse, *added), 8)
    row("batch norm + PAU, padezoo", "forward",
        lambda: ours.batch_norm_pade(x, *statistics, 0.1, EPSILON, a, b, "absolute-sum", 1.0), 3)
    row("batch norm + PAU, padezoo", "backward",
        lambda: ours.batch_norm_pade_backward(g, x, gamma, beta, average, inverse, a, b, "absolute-sum", 1.0), 6)


def main():
    torch.ops.load_library(LIBRARY)
    torch.cuda.set_device(DEVICE.index or 0)  # a device without an index is refused
    torch.manual_seed(1)
    for dtype in TOLERANCE:
        check(dtype)
        check_batch_norm(dtype)
        if dtype != torch.float16:  # which convolutions do not take
            check_depthwise(dtype)
    peers, rows = build_peers(), []
    source = torch.empty(LARGEST, device=DEVICE)
    target = torch.empty_like(source)
    copy = 8 * LARGEST / milliseconds(lambda: target.copy_(source), 3) / 1e6
    del source, target
    compiled = torch.compile(horner)
    for dtype in (torch.float32, torch.bfloat16):
        for n in (*SMALL, LARGEST):
            calls = 3 if n == LARGEST else 50
            x, g = torch.randn(n, device=DEVICE).to(dtype), torch.randn(n, device=DEVICE).to(dtype)
            a, b = torch.tensor(A, device=DEVICE), torch.tensor(B, device=DEVICE)
            error_of = {}
            if n > SMALL[0] and n <= CHECKED:
                _, _, da, db = in_double(x, g, "absolute-sum")
                _, mine_a, mine_b = torch.ops.pade.backward(g, x, a, b, "absolute-sum", 1.0, None, 0.0)
                error_of["padezoo"] = max(relative(mine_a, da), relative(mine_b, db))

            def row(name, direction, work, passes=None):
                size = x.element_size() * (passes or (2 if direction == "forward" else 3))
                try:
                    time = milliseconds(work, calls)
                except RuntimeError as problem:  # too large for this GPU's memory, for the eager peers
                    print(f"{name} {direction} {n}: {problem}", file=sys.stderr)
                    return
                rows.append({
                    "dtype": str(dtype).split(".")[1], "elements": n, "name": name, "direction": direction, "bytes": size * n,
                    "milliseconds": time, "share": size * n / time / 1e6 / copy,
                    "error": error_of.get(name) if direction == "backward" else None,
                })

            row("ReLU", "forward", lambda: torch.relu(x))
            row("ReLU", "backward", lambda: torch.ops.aten.threshold_backward(g, x, 0))
            row("padezoo", "forward", lambda: torch.ops.pade.forward(x, a, b, "absolute-sum", 1.0, None, 0.0))
            row("padezoo", "backward", lambda: torch.ops.pade.backward(g, x, a, b, "absolute-sum", 1.0, None, 0.0))
            if n > SMALL[0]:
                batch_norm_rows(row, x.view(-1, CHANNELS), g.view(-1, CHANNELS), a, b)
            if n == LARGEST and n >= IMAGE:
                used = n // IMAGE * IMAGE
                images = (t[:used].view(-1, 56, 56, CHANNELS) for t in (x, g))
                depthwise_rows(row, *images, 2 * used / n)
            for name, function in (("Horner, eager", horner), ("Horner, torch.compile", compiled)):
                leaves = [t.detach().clone().requires_grad_() for t in (x, a, b)]
                with torch.no_grad():
                    row(name, "forward", lambda: function(*leaves, "absolute-sum"))
                try:
                    y = function(*leaves, "absolute-sum")
                    upstream = g.to(y.dtype)
                    row(name, "backward", lambda: torch.autograd.grad(y, leaves, upstream, retain_graph=True))
                    del y
                except RuntimeError as problem:
                    print(f"{name} {n}: {problem}", file=sys.stderr)
            if dtype == torch.float32:
                stream, dx = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream), torch.empty_like(x)
                for name, function, kind in (
                    ("reference scheme", peers.reference_backward, torch.float64),
                    ("FlashKAT's tiles", peers.tile_backward, torch.float32),
                ):
                    sums = torch.zeros(10, dtype=kind, device=DEVICE)

                    def work():
                        sums.zero_()
                        if function(pointer(g), pointer(x), pointer(dx), ctypes.c_longlong(n), pointer(a), pointer(b), pointer(sums), stream):
                            raise RuntimeError("the kernel did not start")

                    if n > SMALL[0] and n <= CHECKED:
                        _, _, da, db = in_double(x, g, "sum-of-absolutes")
                        work()
                        error_of[name] = relative(sums, torch.cat([da, db]))
                    row(name, "backward", work)
            del x, g
            torch.cuda.empty_cache()
    print(json.dumps({
        "gpu": torch.cuda.get_device_name(DEVICE), "torch": torch.__version__, "cuda": torch.version.cuda,
        "copy": copy, "rows": rows,
    }))


main()

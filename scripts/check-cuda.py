"""Calls every kernel of ours on a GPU once on small and odd tensors; for compute-sanitizer. Argument: the operators' library."""
import sys

import torch

torch.ops.load_library(sys.argv[1])
if not torch.cuda.is_available():
    raise SystemExit("check-cuda: PyTorch finds no GPU on this machine (see `nvidia-smi`)")
torch.manual_seed(1)
FORMS = ("absolute-sum", "absolute-polynomial", "sum-of-absolutes", "unsafe")
for dtype in (torch.float32, torch.bfloat16, torch.float16):
    for form in FORMS:
        first = 0 if form == "absolute-polynomial" else 1
        for m, n in ((5, 4), (7, 6), (10, 10), (0, 1)):
            for shape, sets in (((1031,), 1), ((1, ), 1), ((0,), 1), ((7, 10), 10), ((33, 64), 8), ((3, 300), 300), ((5, 7), 3)):
                for noise in (0.0, 0.1):
                    x, g = torch.randn(2, *shape, device="cuda").to(dtype)
                    lead = (sets,) if sets > 1 else ()
                    a = torch.randn(*lead, m + 1, device="cuda")
                    b = torch.rand(*lead, n + 1 - first, device="cuda") * 0.1
                    key = torch.tensor([1, 2], dtype=torch.int32, device="cuda")
                    torch.ops.pade.forward(x, a, b, form, 1.0, key, noise)
                    torch.ops.pade.backward(g, x, a, b, form, 1.0, key, noise)
    for values, channels in ((2, 1), (37, 10), (300, 8), (40, 1040), (33, 7), (70000, 4)):
        x, g = torch.randn(2, values, channels, device="cuda").to(dtype)
        gamma, beta, mean, variance = torch.rand(4, channels, device="cuda") + 0.5
        y, average, inverse = torch.ops.padezoo.batch_norm(x, gamma, beta, mean, variance, 0.1, 1e-5)
        torch.ops.padezoo.batch_norm_backward(g, x, gamma, average, inverse)
        for form in FORMS:
            for m, n in ((5, 4), (7, 6), (3, 2)):
                a = torch.randn(m + 1, device="cuda")
                b = torch.rand(n + (form == "absolute-polynomial"), device="cuda") * 0.1
                normal = (gamma, beta, mean, variance, 0.1, 1e-5)
                y, average, inverse = torch.ops.padezoo.batch_norm_pade(x, *normal, a, b, form, 1.0)
                torch.ops.padezoo.batch_norm_pade_backward(g, x, gamma, beta, average, inverse, a, b, form, 1.0)
                y, average, inverse = torch.ops.padezoo.batch_norm_add_pade(x, *normal, g, a, b, form, 1.0)
                torch.ops.padezoo.batch_norm_add_pade_backward(g, None, x, gamma, beta, average, inverse, g, a, b, form, 1.0)
                torch.ops.padezoo.batch_norm_add_pade_backward(g, x, x, gamma, beta, average, inverse, g, a, b, form, 1.0)
    if dtype == torch.float16:
        continue  # which convolutions do not take
    for images, height, width, channels in ((1, 1, 1, 1), (2, 7, 9, 12), (3, 8, 5, 7), (2, 4, 6, 1040), (2, 65, 66, 6)):
        for stride in (1, 2):
            for padding in ((1, 1, 1, 1), (0, 1, 0, 1), (4, 3, 2, 5)):
                top, bottom, left, right = padding
                if min(height + top + bottom, width + left + right) < 3:
                    continue
                x = torch.randn(images, height, width, channels, device="cuda").to(dtype)
                taps = torch.randn(3, 3, channels, 1, device="cuda").to(dtype)
                window = ((stride, stride), padding, (1, 1))
                y = torch.ops.padezoo.depthwise(x, taps, *window)
                torch.ops.padezoo.depthwise_input(y, taps, (height, width), *window)
                torch.ops.padezoo.depthwise_filter(y, x, (3, 3), *window)
torch.cuda.synchronize()

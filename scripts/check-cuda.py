"""Calls every Padé kernel of a GPU once on small and odd tensors; for compute-sanitizer. Argument: the operators' library."""
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
torch.cuda.synchronize()

// The tile kernels for the machine that the library runs on.
#pragma once
#include "pade.h"

namespace pade {

/// The best kernels that this CPU can run, for one form and order.
TileKernels tileKernels(Form form, int m, int n);

}  // namespace pade

// A plain loop, compiled for several instruction sets; the loader picks the best that the CPU has.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define PADEZOO_VERSIONS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PADEZOO_VERSIONS
#endif

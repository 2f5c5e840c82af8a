// The seam between fastscan_kernels.cpp and the files with one instruction set each.
#pragma once

#include "engine/index/fastscan_kernels.h"

namespace almagest {

FastscanKernels ScalarFastscanKernels();
#if defined(__x86_64__)
FastscanKernels Avx2FastscanKernels();    // AVX2, FMA, F16C.
FastscanKernels Avx512FastscanKernels();  // AVX-512 F, BW, DQ, VL and VNNI.
#endif

}  // namespace almagest

// Reads matrices of vectors from the files that benchmark data come in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "storage/base/result.h"

namespace almagest::bench {

struct VectorMatrix {
  uint32_t rows = 0;
  uint32_t dimension = 0;
  std::vector<float> values;  // Row-major.
};

// By name: .fvecs; .npy (float32, two dimensions, C order); IDX of bytes, plain or .gz (-ubyte);
// .f32 (raw little-endian floats; `dimension` has to be given, else 0).
// kNotFound, kInvalidArgument (not of that form).
Result<VectorMatrix> ReadVectors(const std::filesystem::path& path, uint32_t dimension);

}  // namespace almagest::bench

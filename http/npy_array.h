// Bodies of bytes: one .npy array (NumPy's format, version 1 or 2) of float32, little-endian, C
// order, shape (rows, dimension). Many dense vectors without JSON.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

// A view into the body, whose floats need not be aligned.
struct NpyArray {
  uint64_t rows = 0;
  uint64_t dimension = 0;
  const char* values = nullptr;

  // `row` < rows.
  std::vector<float> Row(uint64_t row) const;
};

// 400 naming what is wrong with the array. Whatever it has passes; cost: that of the header.
Result<NpyArray> ReadNpyArray(std::string_view body);

}  // namespace almagest

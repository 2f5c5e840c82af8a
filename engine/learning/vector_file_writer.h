// Writes a safetensors file of float32 matrices row by row, for matrices larger than memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

// Matrices one after the other, all of `columns` columns; their row counts become known as rows
// arrive. The header has a fixed size and is written last, so that an unfinished file is no valid
// safetensors file. Not thread-safe. Errors name the path (kStorageFull when the disk is full).
class VectorFileWriter {
 public:
  static Result<std::unique_ptr<VectorFileWriter>> Create(const std::filesystem::path& path,
                                                          size_t columns);
  ~VectorFileWriter();
  VectorFileWriter(const VectorFileWriter&) = delete;
  VectorFileWriter& operator=(const VectorFileWriter&) = delete;

  // Rows appended from now on belong to the tensor `name`; at most 8 tensors.
  void BeginMatrix(std::string name);
  // `rows` holds whole rows.
  Result<> Append(std::span<const float> rows);
  uint64_t row_count() const { return matrices_.back().rows; }  // Of the current matrix.
  uint64_t bytes_written() const { return bytes_; }             // Of all matrices.
  // Writes the header and closes. No other call may follow.
  Result<> Finish();

 private:
  struct Matrix {
    std::string name;
    uint64_t rows = 0;
    uint64_t first_byte = 0;
  };
  VectorFileWriter(std::filesystem::path path, int fd, size_t columns)
      : path_(std::move(path)), fd_(fd), columns_(columns) {}
  Result<> WriteAt(uint64_t offset, const void* data, size_t bytes);

  std::filesystem::path path_;
  int fd_;
  size_t columns_;
  uint64_t bytes_ = 0;
  std::vector<Matrix> matrices_;
};

}  // namespace almagest

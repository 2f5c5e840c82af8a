// Vectors in the files that other tools write: NumPy's .npy (2-D, float32 or float64, C order) and
// TEXMEX .fvecs (per row: int32 length, then float32 values). Little endian. And floats as JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "client/client_error.h"

namespace almagest::client {

// Reads rows one after the other, so that a file larger than memory can be imported.
// Throws ClientError naming the file and what is wrong with it. Not thread-safe.
class VectorFileReader {
 public:
  // The kind follows from the name's ending, ".npy" or ".fvecs".
  explicit VectorFileReader(const std::filesystem::path& path);
  uint64_t rows() const { return rows_; }
  uint32_t dimension() const { return dimension_; }
  // False after the last row. `row` is resized to the dimension.
  bool Next(std::vector<float>& row);

 private:
  void OpenNpy();
  void OpenFvecs();

  std::filesystem::path path_;
  std::ifstream file_;
  uint64_t rows_ = 0;
  uint32_t dimension_ = 0;
  uint64_t next_ = 0;
  bool doubles_ = false;
  bool fvecs_ = false;
};

// What stands before the rows of float32 in a .npy: 128 bytes.
std::string NpyHeader(uint64_t rows, uint32_t dimension);

// Writes a float32 .npy; the header is completed by Close, when the number of rows is known.
class NpyWriter {
 public:
  NpyWriter(const std::filesystem::path& path, uint32_t dimension);
  void Append(std::span<const float> row);  // `dimension` values.
  void Close();                             // Throws when not everything could be written.

 private:
  void WriteHeader();

  std::filesystem::path path_;
  std::ofstream file_;
  uint32_t dimension_;
  uint64_t rows_ = 0;
};

// Appends "[v,v,...]" with the shortest decimals that read back to the same float32. Throws when a
// value is not finite (JSON has no such number).
void AppendVectorJson(std::span<const float> values, std::string& text);

}  // namespace almagest::client

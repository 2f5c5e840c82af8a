#include "tests/bench/ann_files.h"

#include <zlib.h>

#include <cstring>
#include <string>

namespace almagest::bench {
namespace {

Result<std::vector<unsigned char>> ReadAll(const std::filesystem::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");  // Reads files that are not compressed as they are.
  if (file == nullptr) return Fail(ErrorCode::kNotFound, "cannot read " + path.string());
  std::vector<unsigned char> bytes;
  std::vector<unsigned char> piece(size_t{1} << 20);
  int count;
  while ((count = gzread(file, piece.data(), static_cast<unsigned>(piece.size()))) > 0) {
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + count);
  }
  gzclose(file);
  if (count < 0) return Fail(ErrorCode::kInvalidArgument, path.string() + " is damaged");
  return bytes;
}

uint32_t BigEndian(const unsigned char* at) {
  return (uint32_t{at[0]} << 24) | (uint32_t{at[1]} << 16) | (uint32_t{at[2]} << 8) | at[3];
}

bool FromFvecs(const std::vector<unsigned char>& bytes, VectorMatrix& matrix) {
  if (bytes.size() < 4) return false;
  std::memcpy(&matrix.dimension, bytes.data(), 4);
  const size_t record = (size_t{matrix.dimension} + 1) * 4;
  if (matrix.dimension == 0 || bytes.size() % record != 0) return false;
  matrix.rows = static_cast<uint32_t>(bytes.size() / record);
  matrix.values.resize(size_t{matrix.rows} * matrix.dimension);
  for (size_t row = 0; row < matrix.rows; ++row) {
    std::memcpy(matrix.values.data() + row * matrix.dimension, bytes.data() + row * record + 4,
                record - 4);
  }
  return true;
}

// The header is a Python dictionary in text: {'descr': '<f4', 'fortran_order': False, 'shape': ..}
bool FromNpy(const std::vector<unsigned char>& bytes, VectorMatrix& matrix) {
  if (bytes.size() < 10 || std::memcmp(bytes.data(), "\x93NUMPY\x01", 7) != 0) return false;
  const size_t header_bytes = bytes[8] + size_t{256} * bytes[9];
  if (bytes.size() < 10 + header_bytes) return false;
  const std::string header(reinterpret_cast<const char*>(bytes.data()) + 10, header_bytes);
  const size_t shape = header.find("'shape': (");
  if (header.find("'<f4'") == std::string::npos ||
      header.find("'fortran_order': False") == std::string::npos || shape == std::string::npos) {
    return false;
  }
  unsigned rows = 0;
  unsigned dimension = 0;
  if (std::sscanf(header.c_str() + shape, "'shape': (%u, %u)", &rows, &dimension) != 2) {
    return false;
  }
  if (bytes.size() != 10 + header_bytes + size_t{rows} * dimension * 4) return false;
  matrix.rows = rows;
  matrix.dimension = dimension;
  matrix.values.resize(size_t{rows} * dimension);
  std::memcpy(matrix.values.data(), bytes.data() + 10 + header_bytes, matrix.values.size() * 4);
  return true;
}

bool FromIdx(const std::vector<unsigned char>& bytes, VectorMatrix& matrix) {
  if (bytes.size() < 16 || BigEndian(bytes.data()) != 0x803) return false;
  matrix.rows = BigEndian(bytes.data() + 4);
  matrix.dimension = BigEndian(bytes.data() + 8) * BigEndian(bytes.data() + 12);
  if (bytes.size() != 16 + size_t{matrix.rows} * matrix.dimension) return false;
  matrix.values.assign(bytes.begin() + 16, bytes.end());
  return true;
}

}  // namespace

Result<VectorMatrix> ReadVectors(const std::filesystem::path& path, uint32_t dimension) {
  ALMAGEST_TRY(const auto bytes, ReadAll(path));
  VectorMatrix matrix;
  const std::string name = path.filename().string();
  bool read = false;
  if (name.ends_with(".fvecs")) {
    read = FromFvecs(bytes, matrix);
  } else if (name.ends_with(".npy")) {
    read = FromNpy(bytes, matrix);
  } else if (name.ends_with("ubyte") || name.ends_with("ubyte.gz")) {
    read = FromIdx(bytes, matrix);
  } else if (name.ends_with(".f32") && dimension > 0 && bytes.size() % (4 * dimension) == 0) {
    matrix.dimension = dimension;
    matrix.rows = static_cast<uint32_t>(bytes.size() / (4 * dimension));
    matrix.values.resize(bytes.size() / 4);
    std::memcpy(matrix.values.data(), bytes.data(), bytes.size());
    read = true;
  }
  if (!read) return Fail(ErrorCode::kInvalidArgument, path.string() + " is not of its form");
  return matrix;
}

}  // namespace almagest::bench

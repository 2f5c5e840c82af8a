#include "client/vector_files.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace almagest::client {
namespace {

constexpr uint32_t kDimensionMax = 65'536;
constexpr size_t kNpyHeaderBytes = 128;  // Ours; a multiple of 64, with room for any shape.
constexpr std::string_view kNpyMagic = "\x93NUMPY";

ClientError FileError(const std::filesystem::path& path, const std::string& what) {
  return ClientError(path.string() + ": " + what);
}

// The text after 'key': in a NumPy header (a Python dictionary literal).
std::string_view HeaderValue(std::string_view header, std::string_view key) {
  const size_t at = header.find("'" + std::string(key) + "'");
  if (at == std::string_view::npos) return {};
  const size_t colon = header.find(':', at);
  if (colon == std::string_view::npos) return {};
  std::string_view value = header.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  return value;
}

// Parses "(rows, columns)" ; false when it is not of two dimensions.
bool ParseShape(std::string_view text, uint64_t& rows, uint64_t& columns) {
  if (!text.starts_with('(')) return false;
  const char* at = text.data() + 1;
  const char* const end = text.data() + text.size();
  auto parsed = std::from_chars(at, end, rows);
  if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != ',') return false;
  at = parsed.ptr + 1;
  while (at != end && *at == ' ') ++at;
  parsed = std::from_chars(at, end, columns);
  if (parsed.ec != std::errc() || parsed.ptr == end) return false;
  return *parsed.ptr == ')' || std::string_view(parsed.ptr, 2) == ",)";
}

}  // namespace

VectorFileReader::VectorFileReader(const std::filesystem::path& path)
    : path_(path), file_(path, std::ios::binary) {
  if (!file_) throw FileError(path, "cannot be opened");
  if (path.extension() == ".npy") {
    OpenNpy();
  } else if (path.extension() == ".fvecs") {
    OpenFvecs();
  } else {
    throw FileError(path, "is neither .npy nor .fvecs");
  }
  if (dimension_ == 0 || dimension_ > kDimensionMax) {
    throw FileError(
        path, "has rows of " + std::to_string(dimension_) + " values; 1 to 65536 are possible");
  }
}

void VectorFileReader::OpenNpy() {
  char start[8] = {};
  file_.read(start, sizeof(start));
  if (!file_ || std::string_view(start, kNpyMagic.size()) != kNpyMagic) {
    throw FileError(path_, "does not begin like a .npy file");
  }
  const int length_bytes = start[6] == 1 ? 2 : 4;
  unsigned char length[4] = {};
  file_.read(reinterpret_cast<char*>(length), length_bytes);
  size_t bytes = 0;
  for (int i = length_bytes; i-- > 0;) bytes = bytes << 8 | length[i];
  if (!file_ || bytes > (1u << 20)) throw FileError(path_, "has a broken .npy header");
  std::string header(bytes, '\0');
  file_.read(header.data(), static_cast<std::streamsize>(bytes));
  const std::string_view type = HeaderValue(header, "descr");
  doubles_ = type.starts_with("'<f8'");
  if (!doubles_ && !type.starts_with("'<f4'")) {
    throw FileError(path_, "holds another type than little-endian float32 or float64");
  }
  if (!HeaderValue(header, "fortran_order").starts_with("False")) {
    throw FileError(path_, "is in Fortran order; save it with numpy.ascontiguousarray");
  }
  uint64_t columns = 0;
  if (!ParseShape(HeaderValue(header, "shape"), rows_, columns)) {
    throw FileError(path_, "is not an array of two dimensions (rows, values)");
  }
  dimension_ = static_cast<uint32_t>(std::min<uint64_t>(columns, kDimensionMax + 1));
}

void VectorFileReader::OpenFvecs() {
  fvecs_ = true;
  int32_t length = 0;
  file_.read(reinterpret_cast<char*>(&length), sizeof(length));
  if (!file_ || length < 1) throw FileError(path_, "does not begin like a .fvecs file");
  dimension_ = static_cast<uint32_t>(length);
  const uint64_t row_bytes = 4 + uint64_t{4} * dimension_;
  const uint64_t size = std::filesystem::file_size(path_);
  if (size % row_bytes != 0) {
    throw FileError(path_,
                    "is not a whole number of rows of " + std::to_string(dimension_) + " values");
  }
  rows_ = size / row_bytes;
  file_.seekg(0);
}

bool VectorFileReader::Next(std::vector<float>& row) {
  if (next_ == rows_) return false;
  row.resize(dimension_);
  if (fvecs_) {
    int32_t length = 0;
    file_.read(reinterpret_cast<char*>(&length), sizeof(length));
    if (file_ && static_cast<uint32_t>(length) != dimension_) {
      throw FileError(path_, "row " + std::to_string(next_) + " has " + std::to_string(length) +
                                 " values, the first has " + std::to_string(dimension_));
    }
  }
  if (doubles_) {
    std::vector<double> values(dimension_);
    file_.read(reinterpret_cast<char*>(values.data()), std::streamsize{8} * dimension_);
    for (uint32_t i = 0; i < dimension_; ++i) row[i] = static_cast<float>(values[i]);
  } else {
    file_.read(reinterpret_cast<char*>(row.data()), std::streamsize{4} * dimension_);
  }
  if (!file_) throw FileError(path_, "ends before row " + std::to_string(next_));
  ++next_;
  return true;
}

std::string NpyHeader(uint64_t rows, uint32_t dimension) {
  std::string header(kNpyMagic);
  header += std::string("\x01\x00", 2);
  const size_t text_bytes = kNpyHeaderBytes - header.size() - 2;
  header += static_cast<char>(text_bytes & 0xff);
  header += static_cast<char>(text_bytes >> 8);
  header += "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
            std::to_string(dimension) + "), }";
  header.resize(kNpyHeaderBytes - 1, ' ');
  return header += '\n';
}

NpyWriter::NpyWriter(const std::filesystem::path& path, uint32_t dimension)
    : path_(path), file_(path, std::ios::binary | std::ios::trunc), dimension_(dimension) {
  if (!file_) throw FileError(path, "cannot be written");
  WriteHeader();
}

void NpyWriter::WriteHeader() {
  const std::string header = NpyHeader(rows_, dimension_);
  file_.seekp(0);
  file_.write(header.data(), static_cast<std::streamsize>(header.size()));
}

void NpyWriter::Append(std::span<const float> row) {
  if (row.size() != dimension_) {
    throw FileError(path_, "row " + std::to_string(rows_) + " has " + std::to_string(row.size()) +
                               " values, the first has " + std::to_string(dimension_));
  }
  file_.write(reinterpret_cast<const char*>(row.data()),
              static_cast<std::streamsize>(row.size_bytes()));
  ++rows_;
}

void NpyWriter::Close() {
  WriteHeader();
  file_.close();
  if (!file_) throw FileError(path_, "could not be written completely");
}

void AppendVectorJson(std::span<const float> values, std::string& text) {
  text += '[';
  char digits[32];
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw ClientError("value " + std::to_string(i) + " of a vector is not a finite number");
    }
    if (i > 0) text += ',';
    const auto written = std::to_chars(digits, digits + sizeof(digits), values[i]);
    text.append(digits, written.ptr);
  }
  text += ']';
}

}  // namespace almagest::client

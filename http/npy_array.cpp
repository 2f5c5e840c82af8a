#include "http/npy_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace almagest {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

Error BadArray(std::string_view what) {
  return {ErrorCode::kBadRequest, fmt::format("the body is no .npy array: {}", what)};
}

// What the header, a Python dictionary, has behind `key`; the rest of it. Empty: no such key.
// {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
std::string_view ValueOf(std::string_view header, std::string_view key) {
  const size_t place = header.find(fmt::format("'{}': ", key));
  return place == std::string_view::npos ? std::string_view()
                                         : header.substr(place + key.size() + 4);
}

Error WrongValue(std::string_view key, std::string_view value, std::string_view must_be) {
  constexpr size_t kShown = 40;
  const size_t end = value.find(key == "shape" ? ')' : ',');
  const std::string_view shown = value.substr(0, std::min(end, kShown));
  return BadArray(shown.empty() ? fmt::format("`{}` is missing, must be {}", key, must_be)
                                : fmt::format("`{}` is {}{}, must be {}", key, shown,
                                              key == "shape" && end < kShown ? ")" : "", must_be));
}

Result<NpyArray> ReadHeader(std::string_view header) {
  const std::string_view descr = ValueOf(header, "descr");
  if (!descr.starts_with("'<f4'")) {
    return Fail(WrongValue("descr", descr, "'<f4', 32-bit floats"));
  }
  const std::string_view order = ValueOf(header, "fortran_order");
  if (!order.starts_with("False")) return Fail(WrongValue("fortran_order", order, "False"));
  const std::string_view shape = ValueOf(header, "shape");
  const Error no_shape = WrongValue("shape", shape, "(rows, dimension)");
  if (!shape.starts_with('(')) return Fail(no_shape);
  const char* const end = shape.data() + shape.size();
  NpyArray array;
  const auto rows = std::from_chars(shape.data() + 1, end, array.rows);
  if (rows.ec != std::errc()) return Fail(no_shape);
  const char* at = rows.ptr;
  while (at != end && (*at == ',' || *at == ' ')) ++at;
  const auto dimension = std::from_chars(at, end, array.dimension);
  if (dimension.ec != std::errc() || dimension.ptr == end || *dimension.ptr != ')') {
    return Fail(no_shape);
  }
  return array;
}

}  // namespace

std::vector<float> NpyArray::Row(uint64_t row) const {
  std::vector<float> floats(dimension);
  std::memcpy(floats.data(), values + row * dimension * sizeof(float), dimension * sizeof(float));
  return floats;
}

Result<NpyArray> ReadNpyArray(std::string_view body) {
  if (body.size() < 12 || !body.starts_with(kMagic)) return Fail(BadArray("it has another magic"));
  const auto version = static_cast<uint8_t>(body[6]);
  if (version != 1 && version != 2) {
    return Fail(BadArray(fmt::format("format version {}, 1 and 2 are known", version)));
  }
  size_t header_bytes = 0;
  const size_t length_bytes = version == 1 ? 2 : 4;
  std::memcpy(&header_bytes, body.data() + 8, length_bytes);
  const size_t begin = 8 + length_bytes + header_bytes;
  if (begin > body.size()) return Fail(BadArray("it ends inside its header"));
  ALMAGEST_TRY(NpyArray array, ReadHeader(body.substr(8 + length_bytes, header_bytes)));
  const uint64_t bytes = body.size() - begin;
  const uint64_t floats = bytes / sizeof(float);
  const bool fits = array.dimension == 0
                        ? array.rows == 0 && floats == 0
                        : floats % array.dimension == 0 && floats / array.dimension == array.rows;
  if (!fits || bytes % sizeof(float) != 0) {
    return Fail(BadArray(fmt::format("{} bytes of values, its shape is ({}, {})", bytes, array.rows,
                                     array.dimension)));
  }
  array.values = body.data() + begin;
  return array;
}

}  // namespace almagest

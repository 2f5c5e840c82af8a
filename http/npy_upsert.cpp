#include "http/npy_upsert.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "http/error_response.h"

namespace almagest {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Shape {
  uint64_t rows = 0;
  uint64_t dimension = 0;
};

Error BadArray(std::string_view what) {
  return {ErrorCode::kBadRequest, fmt::format("the body is no .npy array: {}", what)};
}

// The header is a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
Result<Shape> ParseHeader(std::string_view header) {
  if (header.find("'descr': '<f4'") == std::string_view::npos) {
    return Fail(BadArray("`descr` must be '<f4', 32-bit floats"));
  }
  if (header.find("'fortran_order': False") == std::string_view::npos) {
    return Fail(BadArray("`fortran_order` must be False"));
  }
  constexpr std::string_view kShape = "'shape': (";
  const size_t place = header.find(kShape);
  const Error no_shape = BadArray("`shape` must be (points, dimension)");
  if (place == std::string_view::npos) return Fail(no_shape);
  const char* at = header.data() + place + kShape.size();
  const char* const end = header.data() + header.size();
  Shape shape;
  const auto rows = std::from_chars(at, end, shape.rows);
  if (rows.ec != std::errc()) return Fail(no_shape);
  at = rows.ptr;
  while (at != end && (*at == ',' || *at == ' ')) ++at;
  const auto dimension = std::from_chars(at, end, shape.dimension);
  if (dimension.ec != std::errc() || dimension.ptr == end || *dimension.ptr != ')') {
    return Fail(no_shape);
  }
  return shape;
}

}  // namespace

Result<WriteOperation> ParseNpyUpsert(std::string_view body, uint64_t first_id,
                                      const std::string& vector_name) {
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
  ALMAGEST_TRY(const Shape shape, ParseHeader(body.substr(8 + length_bytes, header_bytes)));
  const uint64_t floats = (body.size() - begin) / sizeof(float);
  const bool fits = shape.dimension == 0
                        ? shape.rows == 0 && floats == 0
                        : floats % shape.dimension == 0 && floats / shape.dimension == shape.rows;
  if (!fits || (body.size() - begin) % sizeof(float) != 0) {
    return Fail(BadArray(fmt::format("{} bytes of values, its shape is ({}, {})",
                                     body.size() - begin, shape.rows, shape.dimension)));
  }
  if (shape.rows > 0 && first_id > UINT64_MAX - (shape.rows - 1)) {
    return Fail(ValueError("first_id", std::to_string(first_id),
                           fmt::format("at most {}", UINT64_MAX - (shape.rows - 1))));
  }
  UpsertOperation upsert;
  upsert.points.resize(shape.rows);
  const char* at = body.data() + begin;
  for (uint64_t row = 0; row < shape.rows; ++row, at += shape.dimension * sizeof(float)) {
    PointInput& point = upsert.points[row];
    point.id = first_id + row;
    DenseVector vector(shape.dimension);
    std::memcpy(vector.data(), at, shape.dimension * sizeof(float));
    point.vectors.emplace(vector_name, std::move(vector));
  }
  return WriteOperation(std::move(upsert));
}

}  // namespace almagest

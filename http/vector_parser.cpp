#include "http/vector_parser.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "http/error_response.h"

namespace almagest {
namespace {

// Into `floats`, whose size is that of the array. False if an item is no finite 32-bit float. All
// of simdjson's calls are inlined, which halves the time.
[[gnu::flatten]] bool ReadFloats(const simdjson::dom::array& array, std::vector<float>& floats) {
  float* out = floats.data();
  bool finite = true;
  for (const simdjson::dom::element item : array) {
    double number = 0;
    if (item.get(number) != simdjson::SUCCESS) return false;
    *out = static_cast<float>(number);
    finite &= std::isfinite(*out++);
  }
  return finite;
}

// What ReadFloats did not take.
Error FloatsError(const JsonValue& value, const simdjson::dom::array& array) {
  size_t index = 0;
  for (const simdjson::dom::element item : array) {
    double number = 0;
    if (item.get(number) != simdjson::SUCCESS) {
      return FormatError(value.ChildPath(index), "expected a number");
    }
    if (!std::isfinite(static_cast<float>(number))) {
      return ValueError(value.ChildPath(index), fmt::format("{}", number), "a finite 32-bit float");
    }
    ++index;
  }
  return FormatError(value.path(), "expected an array of numbers");
}

size_t SizeOf(const simdjson::dom::array& array) {
  constexpr size_t kSaturated = 0xFFFFFF;  // Where simdjson stops counting.
  const size_t size = array.size();
  if (size < kSaturated) return size;
  return static_cast<size_t>(std::distance(array.begin(), array.end()));
}

// Directly on the DOM: a path per component would cost more than reading it. Into `floats`, which
// is empty.
Result<> ParseFloats(const JsonValue& value, std::vector<float>& floats) {
  simdjson::dom::array array;
  if (value.element().get(array) != simdjson::SUCCESS) {
    return Fail(FormatError(value.path(), "expected an array of numbers"));
  }
  floats.resize(SizeOf(array));
  if (!ReadFloats(array, floats)) return Fail(FloatsError(value, array));
  return {};
}

bool IsMatrix(const JsonValue& value) {
  simdjson::dom::array array;
  return value.element().get(array) == simdjson::SUCCESS && array.begin() != array.end() &&
         (*array.begin()).is_array();
}

// Rules about vectors have Qdrant's words and its place: of a named vector of `point` it gives "?"
// for the name. Null: the vector has none.
std::string PlaceOf(const JsonValue& value, const JsonValue* point) {
  return point != nullptr ? point->path() + ".?" : value.path();
}

Error MatrixError(const JsonValue& value, size_t row, const JsonValue* point,
                  const std::string& rule) {
  return Error{ErrorCode::kOutOfRange, fmt::format("[{}.data: {}] at {}", PlaceOf(value, point),
                                                   rule, value.ChildPath(row))};
}

Result<MultiVector> ParseMatrix(const JsonValue& value, const JsonValue* point) {
  simdjson::dom::array array;
  if (value.element().get(array) != simdjson::SUCCESS) {
    return Fail(FormatError(value.path(), "expected an array of arrays of numbers"));
  }
  MultiVector matrix;
  size_t rows = 0;
  for (const simdjson::dom::element item : array) {
    const JsonValue row = value.Child(item, rows);
    std::vector<float> floats;
    ALMAGEST_TRY_VOID(ParseFloats(row, floats));
    if (floats.empty()) {
      return Fail(MatrixError(value, rows, point, "all vectors must be non-empty"));
    }
    if (rows == 0) matrix.dimension = static_cast<uint32_t>(floats.size());
    if (floats.size() != matrix.dimension) {
      return Fail(MatrixError(value, rows, point,
                              fmt::format("all vectors must have the same dimension, found vector "
                                          "with dimension {}",
                                          floats.size())));
    }
    matrix.values.insert(matrix.values.end(), floats.begin(), floats.end());
    if (matrix.values.size() > kMultiVectorValuesMax) {
      return Fail(
          MatrixError(value, rows, point,
                      fmt::format("Total size of all vectors ({}) must be less than {}",
                                  array.size() * matrix.dimension, kMultiVectorValuesMax + 1)));
    }
    ++rows;
  }
  return matrix;
}

Result<std::vector<uint32_t>> ParseIndices(const JsonValue& value) {
  simdjson::dom::array array;
  if (value.element().get(array) != simdjson::SUCCESS) {
    return Fail(FormatError(value.path(), "expected an array of whole numbers"));
  }
  std::vector<uint32_t> indices;
  indices.reserve(array.size());
  for (const simdjson::dom::element item : array) {
    uint64_t index = 0;
    if (item.get(index) != simdjson::SUCCESS || index > UINT32_MAX) {
      ALMAGEST_TRY(index, value.Child(item, indices.size()).AsUnsignedIn(0, UINT32_MAX));
    }
    indices.push_back(static_cast<uint32_t>(index));
  }
  return indices;
}

Result<SparseVector> ParseSparse(const JsonValue& value, const JsonValue* point) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"indices", "values"}));
  ALMAGEST_TRY(const JsonValue indices_value, value.Require("indices"));
  ALMAGEST_TRY(const JsonValue values_value, value.Require("values"));
  std::vector<float> values;
  ALMAGEST_TRY_VOID(ParseFloats(values_value, values));
  ALMAGEST_TRY(auto indices, ParseIndices(indices_value));
  const bool same_length = indices.size() == values.size();
  auto sparse = MakeSparseVector(std::move(indices), std::move(values));
  if (sparse) return sparse;
  // As for a matrix, the words and the place are Qdrant's; ours follow.
  return Fail(sparse.error().code,
              fmt::format("[{}.{} [{{}}]] at {}: {}", PlaceOf(value, point),
                          same_length ? "indices: Validation error: must be unique"
                                      : "values: Validation error: must be the same length as "
                                        "indices",
                          value.path(), sparse.error().message));
}

// Into `vector`, a dense one of no dimension.
Result<> ParseVectorAt(const JsonValue& value, TextResolver& texts, bool is_query,
                       const JsonValue* point, VectorData& vector) {
  if (IsMatrix(value)) {
    ALMAGEST_TRY(vector, ParseMatrix(value, point));
    return {};
  }
  if (value.IsArray()) return ParseFloats(value, std::get<DenseVector>(vector));
  if (!value.IsObject()) {
    return Fail(
        FormatError(value.path(),
                    "expected a vector: an array of numbers, one of such arrays, an object with "
                    "`indices` and `values`, or one with `text` and `model`"));
  }
  for (const std::string_view key : {"image", "object"}) {
    ALMAGEST_TRY_VOID(value.RefuseKey(key, "only texts can stand in place of a vector"));
  }
  if (value.Find("text")) {
    ALMAGEST_TRY(vector, texts.Resolve(value, is_query));
  } else {
    ALMAGEST_TRY(vector, ParseSparse(value, point));
  }
  return {};
}

}  // namespace

bool IsVectorObject(const JsonValue& value) {
  const auto text = value.Find("text");
  if (text && text->IsString()) return true;
  if (value.Find("model")) return true;
  const auto indices = value.Find("indices");
  const auto values = value.Find("values");
  return indices && values && indices->IsArray() && values->IsArray();
}

Result<VectorData> ParseVector(const JsonValue& value, TextResolver& texts, bool is_query) {
  VectorData vector;
  ALMAGEST_TRY_VOID(ParseVectorAt(value, texts, is_query, nullptr, vector));
  return vector;
}

Result<> ParsePointVectors(const JsonValue& value, TextResolver& texts, NamedVectors& vectors) {
  if (!value.IsObject() || IsVectorObject(value)) {
    return ParseVectorAt(value, texts, /*is_query=*/false, nullptr, vectors[""]);
  }
  ALMAGEST_TRY(const auto members, value.Members());
  for (const auto& [name, member] : members) {
    // Of a name given twice the last one counts.
    VectorData& vector = vectors[std::string(name)] = DenseVector();
    ALMAGEST_TRY_VOID(ParseVectorAt(member, texts, /*is_query=*/false, &value, vector));
  }
  return {};
}

}  // namespace almagest

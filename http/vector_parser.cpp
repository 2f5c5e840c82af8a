#include "http/vector_parser.h"

#include <fmt/format.h>

#include <cmath>

#include "http/error_response.h"

namespace almagest {
namespace {

// Directly on the DOM: a path per component would cost more than reading it.
Result<std::vector<float>> ParseFloats(const JsonValue& value) {
  simdjson::dom::array array;
  if (value.element().get(array) != simdjson::SUCCESS) {
    return Fail(FormatError(value.path(), "expected an array of numbers"));
  }
  std::vector<float> floats;
  floats.reserve(array.size());
  for (const simdjson::dom::element item : array) {
    double number = 0;
    if (item.get(number) != simdjson::SUCCESS) {
      return Fail(FormatError(value.ChildPath(floats.size()), "expected a number"));
    }
    const float narrow = static_cast<float>(number);
    if (!std::isfinite(narrow)) {
      return Fail(ValueError(value.ChildPath(floats.size()), fmt::format("{}", number),
                             "a finite 32-bit float"));
    }
    floats.push_back(narrow);
  }
  return floats;
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
    ALMAGEST_TRY(const std::vector<float> floats, ParseFloats(row));
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
  ALMAGEST_TRY(auto values, ParseFloats(values_value));
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

Result<VectorData> ParseVectorAt(const JsonValue& value, TextResolver& texts, bool is_query,
                                 const JsonValue* point) {
  if (IsMatrix(value)) {
    ALMAGEST_TRY(MultiVector matrix, ParseMatrix(value, point));
    return VectorData(std::move(matrix));
  }
  if (value.IsArray()) {
    ALMAGEST_TRY(DenseVector dense, ParseFloats(value));
    return VectorData(std::move(dense));
  }
  if (!value.IsObject()) {
    return Fail(
        FormatError(value.path(),
                    "expected a vector: an array of numbers, one of such arrays, an object with "
                    "`indices` and `values`, or one with `text` and `model`"));
  }
  for (const std::string_view key : {"image", "object"}) {
    ALMAGEST_TRY_VOID(value.RefuseKey(key, "only texts can stand in place of a vector"));
  }
  if (value.Find("text")) return texts.Resolve(value, is_query);
  ALMAGEST_TRY(SparseVector sparse, ParseSparse(value, point));
  return VectorData(std::move(sparse));
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
  return ParseVectorAt(value, texts, is_query, nullptr);
}

Result<NamedVectors> ParsePointVectors(const JsonValue& value, TextResolver& texts) {
  NamedVectors vectors;
  if (!value.IsObject() || IsVectorObject(value)) {
    ALMAGEST_TRY(VectorData vector, ParseVector(value, texts, /*is_query=*/false));
    vectors.emplace("", std::move(vector));
    return vectors;
  }
  ALMAGEST_TRY(const auto members, value.Members());
  for (const auto& [name, member] : members) {
    ALMAGEST_TRY(VectorData vector, ParseVectorAt(member, texts, /*is_query=*/false, &value));
    vectors.insert_or_assign(std::string(name), std::move(vector));
  }
  return vectors;
}

}  // namespace almagest

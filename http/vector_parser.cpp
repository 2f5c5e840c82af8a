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
      if (item.is_array()) {
        return Fail(UnsupportedError(value.path(), "several vectors in one (multi-vectors)"));
      }
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

Result<SparseVector> ParseSparse(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"indices", "values"}));
  ALMAGEST_TRY(const JsonValue indices_value, value.Require("indices"));
  ALMAGEST_TRY(const JsonValue values_value, value.Require("values"));
  ALMAGEST_TRY(auto values, ParseFloats(values_value));
  ALMAGEST_TRY(const auto items, indices_value.Items());
  std::vector<uint32_t> indices;
  indices.reserve(items.size());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(const uint64_t index, item.AsUnsignedIn(0, UINT32_MAX));
    indices.push_back(static_cast<uint32_t>(index));
  }
  auto sparse = MakeSparseVector(std::move(indices), std::move(values));
  if (!sparse) {
    return Fail(sparse.error().code, fmt::format("[{}: {}]", value.path(), sparse.error().message));
  }
  return sparse;
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
  if (value.IsArray()) {
    ALMAGEST_TRY(DenseVector dense, ParseFloats(value));
    if (dense.empty()) {
      return Fail(ValueError(value.path(), "[]", "a vector of at least one component"));
    }
    return VectorData(std::move(dense));
  }
  if (!value.IsObject()) {
    return Fail(FormatError(value.path(),
                            "expected a vector: an array of numbers, an object with "
                            "`indices` and `values`, or one with `text` and `model`"));
  }
  for (const std::string_view key : {"image", "object"}) {
    ALMAGEST_TRY_VOID(value.RefuseKey(key, "only texts can stand in place of a vector"));
  }
  if (value.Find("text")) return texts.Resolve(value, is_query);
  ALMAGEST_TRY(SparseVector sparse, ParseSparse(value));
  return VectorData(std::move(sparse));
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
    ALMAGEST_TRY(VectorData vector, ParseVector(member, texts, /*is_query=*/false));
    vectors.insert_or_assign(std::string(name), std::move(vector));
  }
  return vectors;
}

}  // namespace almagest

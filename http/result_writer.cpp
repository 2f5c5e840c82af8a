#include "http/result_writer.h"

#include <cmath>

namespace almagest {
namespace {

void WriteVector(JsonWriter& json, const VectorData& vector) {
  const auto write_row = [&](std::span<const float> row) {
    json.BeginArray();
    for (const float value : row) json.Float(value);
    json.EndArray();
  };
  if (const auto* dense = std::get_if<DenseVector>(&vector)) return write_row(*dense);
  if (const auto* multi = std::get_if<MultiVector>(&vector)) {
    json.BeginArray();
    for (size_t row = 0; row < multi->rows(); ++row) {
      write_row(std::span(multi->values).subspan(row * multi->dimension, multi->dimension));
    }
    json.EndArray();
    return;
  }
  const auto& sparse = std::get<SparseVector>(vector);
  json.BeginObject().Key("indices").BeginArray();
  for (const uint32_t index : sparse.indices) json.Unsigned(index);
  json.EndArray().Key("values").BeginArray();
  for (const float value : sparse.values) json.Float(value);
  json.EndArray().EndObject();
}

void WriteCommonFields(JsonWriter& json, const Hit& hit) {
  if (hit.payload) json.Key("payload").Raw(hit.payload->empty() ? "{}" : *hit.payload);
  if (hit.with_vectors) {
    json.Key("vector");
    WriteVectors(json, hit.vectors);
  }
  if (!hit.order_value) return;
  // Integers and times came from whole numbers; show them as such.
  constexpr double kWholeMax = 9007199254740992.0;
  json.Key("order_value");
  if (std::floor(*hit.order_value) == *hit.order_value && std::abs(*hit.order_value) < kWholeMax) {
    json.Integer(static_cast<int64_t>(*hit.order_value));
  } else {
    json.Double(*hit.order_value);
  }
}

}  // namespace

void WritePointId(JsonWriter& json, const PointId& id) {
  if (const auto* number = std::get_if<uint64_t>(&id)) {
    json.Unsigned(*number);
  } else {
    json.String(PointIdToString(id));
  }
}

void WriteVectors(JsonWriter& json, const NamedVectors& vectors) {
  if (vectors.size() == 1 && vectors.begin()->first.empty()) {
    WriteVector(json, vectors.begin()->second);
    return;
  }
  json.BeginObject();
  for (const auto& [name, vector] : vectors) {
    json.Key(name);
    WriteVector(json, vector);
  }
  json.EndObject();
}

void WriteScoredPoint(JsonWriter& json, const Hit& hit) {
  json.BeginObject().Key("id");
  WritePointId(json, hit.id);
  json.Key("version").Unsigned(hit.version);
  json.Key("score").Float(hit.score);
  WriteCommonFields(json, hit);
  json.EndObject();
}

void WriteScoredPoints(JsonWriter& json, std::span<const Hit> hits) {
  json.BeginArray();
  for (const Hit& hit : hits) WriteScoredPoint(json, hit);
  json.EndArray();
}

void WriteRecord(JsonWriter& json, const Hit& hit) {
  json.BeginObject().Key("id");
  WritePointId(json, hit.id);
  WriteCommonFields(json, hit);
  json.EndObject();
}

void WriteRecords(JsonWriter& json, std::span<const Hit> hits) {
  json.BeginArray();
  for (const Hit& hit : hits) WriteRecord(json, hit);
  json.EndArray();
}

void WriteUpdateResult(JsonWriter& json, const WriteResult& result, bool wait) {
  json.BeginObject();
  json.Key("operation_id").Unsigned(result.operation_id);
  json.Key("status").String(wait ? "completed" : "acknowledged");
  json.EndObject();
}

}  // namespace almagest

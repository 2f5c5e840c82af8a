#include "engine/collection/bridge.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/linalg/row_kernels.h"
#include "storage/base/safetensors.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

constexpr uint32_t kBridgeFormat = 1;
constexpr char kMapBlob[] = "map";

Result<> ExpectMetadata(const Safetensors& file, const std::string& key,
                        const std::string& expected) {
  const auto found = file.metadata().find(key);
  const std::string given = found == file.metadata().end() ? "" : found->second;
  if (given == expected) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "the bridge's " + key + " is '" + given + "', it must be '" + expected + "'");
}

Result<std::vector<float>> ReadFinite(const Safetensors& file, const std::string& name,
                                      std::vector<int64_t> shape) {
  ALMAGEST_TRY(const auto values, file.Float32(name, shape));
  if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) {
    return Fail(ErrorCode::kInvalidArgument,
                "the bridge's tensor '" + name + "' holds a value that is not finite");
  }
  return std::vector<float>(values.begin(), values.end());
}

Result<MonotoneCurve> ReadCurve(const Safetensors& file) {
  const TensorView* inputs = file.Find("curve_inputs");
  if (inputs == nullptr || inputs->shape.size() != 1) {
    return Fail(ErrorCode::kInvalidArgument, "the bridge has no tensor 'curve_inputs'");
  }
  ALMAGEST_TRY(auto x, ReadFinite(file, "curve_inputs", inputs->shape));
  ALMAGEST_TRY(auto y, ReadFinite(file, "curve_outputs", inputs->shape));
  return MonotoneCurve::Create(std::move(x), std::move(y));
}

}  // namespace

std::string_view BridgeStatusName(BridgeStatus status) {
  switch (status) {
    case BridgeStatus::kCandidate:
      return "candidate";
    case BridgeStatus::kActive:
      return "active";
    case BridgeStatus::kRefused:
      return "refused";
  }
  return "refused";
}

Result<std::shared_ptr<const Bridge>> Bridge::Parse(BridgeRecord record, const Shape& shape,
                                                    std::string safetensors) {
  const auto file = Safetensors::Parse(safetensors);
  if (!file) return Fail(ErrorCode::kInvalidArgument, "the bridge: " + file.error().message);
  ALMAGEST_TRY_VOID(ExpectMetadata(*file, "format_version", "1"));
  ALMAGEST_TRY_VOID(ExpectMetadata(*file, "direction", "queries"));
  ALMAGEST_TRY_VOID(ExpectMetadata(*file, "from", record.from_name));
  ALMAGEST_TRY_VOID(ExpectMetadata(*file, "to", record.to_name));
  ALMAGEST_TRY_VOID(ExpectMetadata(*file, "from_dimension", std::to_string(shape.from_dimension)));
  ALMAGEST_TRY_VOID(ExpectMetadata(*file, "to_dimension", std::to_string(shape.to_dimension)));
  ALMAGEST_TRY(auto weight,
               ReadFinite(*file, "weight", {shape.to_dimension, shape.from_dimension}));
  ALMAGEST_TRY(auto bias, ReadFinite(*file, "bias", {shape.to_dimension}));
  ALMAGEST_TRY(auto curve, ReadCurve(*file));
  std::shared_ptr<Bridge> bridge(new Bridge(std::move(curve)));
  bridge->record_ = std::move(record);
  bridge->shape_ = shape;
  const auto kind = file->metadata().find("kind");
  if (kind != file->metadata().end()) bridge->kind_ = kind->second;
  bridge->weight_ = std::make_shared<const std::vector<float>>(std::move(weight));
  bridge->bias_ = std::make_shared<const std::vector<float>>(std::move(bias));
  bridge->file_ = std::make_shared<const std::string>(std::move(safetensors));
  return bridge;
}

std::shared_ptr<const Bridge> Bridge::WithStatus(BridgeStatus status) const {
  std::shared_ptr<Bridge> copy(new Bridge(*this));
  copy->record_.status = status;
  return copy;
}

std::vector<float> Bridge::MapQuery(std::span<const float> query) const {
  std::vector<float> served(query.begin(), query.end());
  if (shape_.from_normalised) NormalizeInPlace(served.data(), served.size());
  std::vector<float> mapped(shape_.to_dimension);
  MatrixTimesColumn(weight_->data(), served.data(), bias_->data(), shape_.to_dimension,
                    shape_.from_dimension, mapped.data());
  if (shape_.to_normalised) NormalizeInPlace(mapped.data(), mapped.size());
  return mapped;
}

void Bridge::Put(CollectionId collection, WriteBatch* batch) const {
  const nlohmann::json body = {{"status", static_cast<int>(record_.status)},
                               {"from", record_.from},
                               {"to", record_.to},
                               {"from_name", record_.from_name},
                               {"to_name", record_.to_name},
                               {"from_version", record_.from_version},
                               {"to_version", record_.to_version},
                               {"created_at_ms", record_.created_at_ms},
                               {"job_id", record_.job_id},
                               {"report", record_.report_json}};
  VersionRecord stored;
  stored.kind = kBridgeFormat;
  stored.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  stored.blobs[kMapBlob] = *file_;
  batch->Put(ColumnFamily::kLearning, BridgeKey(collection, record_.id), EncodeRecord(stored));
}

std::string BridgeKey(CollectionId collection, uint64_t id) {
  return LearningKey(collection, LearningKind::kBridge, id);
}

Result<BridgeTable> LoadBridges(
    const KeyValueStore& store, CollectionId collection,
    const std::function<std::optional<Bridge::Shape>(FieldId from, FieldId to)>& shape_of) {
  BridgeTable table;
  const auto load = [&](std::string_view key, std::string_view value) -> Result<> {
    const auto parts = ParseLearningKey(key);
    if (!parts) return Fail(ErrorCode::kCorruption, "a bridge has a damaged key");
    if (parts->number == 0) return {};  // The counter of ids.
    ALMAGEST_TRY(const auto stored, DecodeRecord<VersionRecord>(value));
    const auto map = stored.blobs.find(kMapBlob);
    if (stored.kind != kBridgeFormat || map == stored.blobs.end()) {
      return Fail(ErrorCode::kCorruption,
                  "bridge " + std::to_string(parts->number) + " has an unknown form");
    }
    BridgeRecord record;
    record.id = parts->number;
    try {
      const auto body = nlohmann::json::parse(stored.body);
      record.status = static_cast<BridgeStatus>(body.at("status").get<int>());
      record.from = body.at("from").get<FieldId>();
      record.to = body.at("to").get<FieldId>();
      record.from_name = body.at("from_name").get<std::string>();
      record.to_name = body.at("to_name").get<std::string>();
      record.from_version = body.at("from_version").get<VersionId>();
      record.to_version = body.at("to_version").get<VersionId>();
      record.created_at_ms = body.at("created_at_ms").get<int64_t>();
      record.job_id = body.at("job_id").get<std::string>();
      record.report_json = body.at("report").get<std::string>();
    } catch (const nlohmann::json::exception& error) {
      return Fail(ErrorCode::kCorruption,
                  "bridge " + std::to_string(parts->number) + " cannot be read: " + error.what());
    }
    const auto shape = shape_of(record.from, record.to);
    if (!shape) return {};
    ALMAGEST_TRY(table[parts->number], Bridge::Parse(std::move(record), *shape, map->second));
    return {};
  };
  const KeyRange range = LearningRange(collection, LearningKind::kBridge);
  Result<> status;
  ALMAGEST_TRY_VOID(store.Scan(ColumnFamily::kLearning, range.first, range.limit,
                               [&](std::string_view key, std::string_view value) {
                                 status = load(key, value);
                                 return status.has_value();
                               }));
  ALMAGEST_TRY_VOID(status);
  return table;
}

}  // namespace almagest

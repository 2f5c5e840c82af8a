#include "engine/collection/version_store.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "storage/base/log.h"
#include "storage/base/safetensors.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

constexpr char kAdapterBlob[] = "adapter";
constexpr size_t kKindBytesMax = 64;

std::string Metadata(const Safetensors& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? std::string() : found->second;
}

Result<std::shared_ptr<const LinearMap>> ReadMap(const Safetensors& file, const std::string& side,
                                                 int64_t dimension) {
  const int64_t weight_shape[] = {dimension, dimension};
  const int64_t bias_shape[] = {dimension};
  ALMAGEST_TRY(const auto weight, file.Float32(side + "_weight", weight_shape));
  ALMAGEST_TRY(const auto bias, file.Float32(side + "_bias", bias_shape));
  ALMAGEST_TRY(LinearMap map,
               LinearMap::Create(static_cast<size_t>(dimension), {weight.begin(), weight.end()},
                                 {bias.begin(), bias.end()}));
  return std::make_shared<const LinearMap>(std::move(map));
}

Result<> Parse(const Safetensors& file, uint32_t dimension, AdapterVersion* version) {
  ALMAGEST_TRY(ResidualTensors residual, ReadResidual(file, dimension));
  if (Metadata(file, "dimension") != std::to_string(dimension)) {
    return Fail(ErrorCode::kInvalidArgument, "the adapter's dimension is '" +
                                                 Metadata(file, "dimension") +
                                                 "'; the vector has " + std::to_string(dimension));
  }
  const std::string side = Metadata(file, "document_side");
  if (side != "identity" && side != "linear") {
    return Fail(ErrorCode::kInvalidArgument,
                "the adapter's document_side is '" + side + "'; it must be identity or linear");
  }
  const std::string kind = Metadata(file, "kind");
  if (kind.size() > kKindBytesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "the adapter's kind has " + std::to_string(kind.size()) + " bytes, the limit is " +
                    std::to_string(kKindBytesMax));
  }
  if (version->kind.empty()) version->kind = kind;
  AdapterMaps maps;
  ALMAGEST_TRY(maps.query, ReadMap(file, "query", dimension));
  if (side == "linear") {
    ALMAGEST_TRY(maps.document, ReadMap(file, "document", dimension));
  }
  if (residual.hidden > 0) {
    maps.query_residual = std::make_shared<const QueryResidual>(dimension, std::move(residual));
  }
  version->document_key = DocumentKeyOf(maps);
  version->maps = std::make_shared<const AdapterMaps>(std::move(maps));
  return {};
}

std::string Body(const AdapterVersion& version, VersionStatus status) {
  const Json json = {{"parent", version.parent},
                     {"kind", version.kind},
                     {"status", static_cast<int>(status)},
                     {"created_at_ms", version.created_at_ms},
                     {"job_id", version.job_id},
                     {"report", version.report_json},
                     {"document_key", version.document_key}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

tl::unexpected<Error> Unreadable(VersionId id, const std::string& why) {
  return Fail(ErrorCode::kCorruption,
              "adapter version " + std::to_string(id) + " cannot be read: " + why);
}

Result<AdapterMaps> MapsOf(const std::string& adapter, VersionId id, uint32_t dimension) {
  AdapterVersion version;
  if (const auto parsed = ParseAdapter(adapter, dimension, &version); !parsed) {
    return Unreadable(id, parsed.error().message);
  }
  return *version.maps;
}

// Without a document key where the adapter is stored beside what is known of it.
Result<AdapterVersion> DecodeVersion(const VersionRecord& record, VersionId id) {
  AdapterVersion version;
  version.id = id;
  try {
    const Json json = Json::parse(record.body);
    version.parent = json.at("parent").get<VersionId>();
    version.kind = json.at("kind").get<std::string>();
    version.status = static_cast<VersionStatus>(json.at("status").get<int>());
    version.created_at_ms = json.at("created_at_ms").get<int64_t>();
    version.job_id = json.at("job_id").get<std::string>();
    version.report_json = json.at("report").get<std::string>();
    version.fusion = LearnedFusionOf(version.report_json);
    if (!record.blobs.contains(kAdapterBlob)) {
      version.document_key = json.at("document_key").get<std::string>();
    }
  } catch (const Json::exception& error) {
    return Unreadable(id, error.what());
  }
  return version;
}

std::string VersionKey(CollectionId collection, FieldId field, VersionId version) {
  return LearningKey(collection, LearningKind::kVersion, VersionNumber(field, version));
}

std::string AdapterKey(CollectionId collection, FieldId field, VersionId version) {
  return LearningKey(collection, LearningKind::kAdapter, VersionNumber(field, version));
}

// Of a version with the adapter beside what is known of it: gives it the document key, and stores
// both as PutVersion does.
Result<> Migrate(KeyValueStore& store, CollectionId collection, FieldId field, uint32_t dimension,
                 AdapterVersion* version) {
  const std::string key = VersionKey(collection, field, version->id);
  ALMAGEST_TRY(const auto bytes, store.Get(ColumnFamily::kLearning, key));
  if (!bytes) return Unreadable(version->id, "it is gone");
  ALMAGEST_TRY(auto record, DecodeRecord<VersionRecord>(*bytes));
  VersionRecord adapter;
  adapter.blobs.insert(record.blobs.extract(kAdapterBlob));
  ALMAGEST_TRY(const AdapterMaps maps, MapsOf(adapter.blobs[kAdapterBlob], version->id, dimension));
  version->document_key = DocumentKeyOf(maps);
  record.body = Body(*version, version->status);
  WriteBatch batch;
  batch.Put(ColumnFamily::kLearning, key, EncodeRecord(record));
  batch.Put(ColumnFamily::kLearning, AdapterKey(collection, field, version->id),
            EncodeRecord(adapter));
  if (const auto written = store.Write(batch, Durability::kSync); !written) {
    LogWarning("adapter version " + std::to_string(version->id) +
               " stays as an earlier program stored it: " + written.error().message);
  }
  return {};
}

}  // namespace

Result<> ParseAdapter(const std::string& safetensors, uint32_t dimension, AdapterVersion* version) {
  const auto file = Safetensors::Parse(safetensors);
  if (!file) return Fail(ErrorCode::kInvalidArgument, "the adapter: " + file.error().message);
  if (const auto parsed = Parse(*file, dimension, version); !parsed) {
    return Fail(ErrorCode::kInvalidArgument, "the adapter: " + parsed.error().message);
  }
  return {};
}

std::optional<LearnedFusion> LearnedFusionOf(const std::string& report_json) {
  const Json report = Json::parse(report_json, nullptr, false);
  LearnedFusion fusion;
  try {
    const Json& given = report.at("fusion");
    fusion.k = given.at("k").get<double>();
    fusion.dense = given.at("weights").at("dense").get<double>();
    fusion.text = given.at("weights").at("text").get<double>();
  } catch (const Json::exception&) {
    return std::nullopt;
  }
  const auto is_weight = [](double value) { return std::isfinite(value) && value >= 0; };
  const bool usable = std::isfinite(fusion.k) && fusion.k >= 1 && is_weight(fusion.dense) &&
                      is_weight(fusion.text) && fusion.dense + fusion.text > 0;
  return usable ? std::optional(fusion) : std::nullopt;
}

void PutVersion(CollectionId collection, FieldId field, const AdapterVersion& version,
                const std::string& adapter_safetensors, WriteBatch* batch) {
  VersionRecord record;
  record.body = Body(version, version.status);
  batch->Put(ColumnFamily::kLearning, VersionKey(collection, field, version.id),
             EncodeRecord(record));
  VersionRecord adapter;
  adapter.blobs[kAdapterBlob] = adapter_safetensors;
  batch->Put(ColumnFamily::kLearning, AdapterKey(collection, field, version.id),
             EncodeRecord(adapter));
}

Result<AdapterMaps> ReadAdapter(const KeyValueStore& store, CollectionId collection, FieldId field,
                                VersionId version, uint32_t dimension) {
  for (const std::string& key :
       {AdapterKey(collection, field, version), VersionKey(collection, field, version)}) {
    ALMAGEST_TRY(const auto bytes, store.Get(ColumnFamily::kLearning, key));
    if (!bytes) continue;
    ALMAGEST_TRY(const auto record, DecodeRecord<VersionRecord>(*bytes));
    const auto blob = record.blobs.find(kAdapterBlob);
    if (blob == record.blobs.end()) continue;
    return MapsOf(blob->second, version, dimension);
  }
  return Fail(ErrorCode::kNotFound, "adapter version " + std::to_string(version) +
                                        " has no stored adapter; was its vector removed?");
}

VersionSet::ReadMaps AdapterReader(const KeyValueStore& store, CollectionId collection,
                                   FieldId field, uint32_t dimension) {
  return [&store, collection, field, dimension](VersionId version) {
    return ReadAdapter(store, collection, field, version, dimension);
  };
}

Result<> PutVersionStatus(const KeyValueStore& store, CollectionId collection, FieldId field,
                          VersionId version, VersionStatus status, WriteBatch* batch) {
  if (version == 0) return {};
  std::string key = VersionKey(collection, field, version);
  ALMAGEST_TRY(const auto bytes, store.Get(ColumnFamily::kLearning, key));
  if (!bytes) {
    return Fail(ErrorCode::kNotFound,
                "adapter version " + std::to_string(version) + " is not stored");
  }
  ALMAGEST_TRY(auto record, DecodeRecord<VersionRecord>(*bytes));
  try {
    Json json = Json::parse(record.body);
    json["status"] = static_cast<int>(status);
    record.body = json.dump();
  } catch (const Json::exception& error) {
    return Fail(ErrorCode::kCorruption,
                "adapter version " + std::to_string(version) + " cannot be read: " + error.what());
  }
  batch->Put(ColumnFamily::kLearning, std::move(key), EncodeRecord(record));
  return {};
}

Result<std::map<FieldId, std::vector<AdapterVersion>>> LoadVersions(
    KeyValueStore& store, CollectionId collection, const std::map<FieldId, uint32_t>& dimensions) {
  std::map<FieldId, std::vector<AdapterVersion>> versions;
  std::vector<std::pair<FieldId, size_t>> old;  // Those of one record, and their places.
  const KeyRange range = LearningRange(collection, LearningKind::kVersion);
  Result<> status;
  ALMAGEST_TRY_VOID(
      store.Scan(ColumnFamily::kLearning, range.first, range.limit,
                 [&](std::string_view key, std::string_view value) {
                   status = [&]() -> Result<> {
                     const auto parts = ParseLearningKey(key);
                     if (!parts) return Fail(ErrorCode::kCorruption, "a version has a damaged key");
                     const auto field = static_cast<FieldId>(parts->number >> 32);
                     if (!dimensions.contains(field)) return {};
                     ALMAGEST_TRY(const auto record, DecodeRecord<VersionRecord>(value));
                     ALMAGEST_TRY(versions[field].emplace_back(),
                                  DecodeVersion(record, static_cast<VersionId>(parts->number)));
                     if (record.blobs.contains(kAdapterBlob))
                       old.emplace_back(field, versions[field].size() - 1);
                     return {};
                   }();
                   return status.has_value();
                 }));
  ALMAGEST_TRY_VOID(status);
  for (const auto& [field, place] : old) {
    ALMAGEST_TRY_VOID(
        Migrate(store, collection, field, dimensions.at(field), &versions[field][place]));
  }
  return versions;
}

}  // namespace almagest

#include "http/collection_parser.h"

#include <fmt/format.h>

#include "engine/payload/payload.h"
#include "http/collection_settings.h"
#include "http/error_response.h"

namespace almagest {
namespace {

Result<> RequireOne(const JsonValue& object, std::string_view key, std::string_view why) {
  const auto given = object.Find(key);
  if (!given) return {};
  ALMAGEST_TRY(const uint64_t value, given->AsUnsignedIn(1, UINT32_MAX));
  if (value != 1) return Fail(UnsupportedError(object.ChildPath(key), why));
  return {};
}

// Integers of 0..255 are no unit vectors: what Cosine needs.
Result<Datatype> ParseDatatypeOf(const JsonValue& value, Distance distance) {
  ALMAGEST_TRY(const auto name, value.FindString("datatype"));
  if (!name) return Datatype::kFloat32;
  const std::string path = value.ChildPath("datatype");
  if (*name == "turbo4") return Fail(UnsupportedError(path, "use float32, float16 or uint8"));
  const auto known = ParseDatatype(*name);
  if (!known) return Fail(FormatError(path, "expected `float32`, `float16` or `uint8`"));
  if (*known == Datatype::kUint8 && distance == Distance::kCosine) {
    return Fail(UnsupportedError(path, "uint8 vectors cannot be normalised, as Cosine needs"));
  }
  return *known;
}

// Whether `value` is a multi-vector's.
Result<bool> ParseMultiVectorConfig(const JsonValue& value) {
  const auto config = value.Find("multivector_config");
  if (!config) return false;
  ALMAGEST_TRY_VOID(config->ExpectObject());
  ALMAGEST_TRY_VOID(config->RefuseUnknownKeys({"comparator"}));
  ALMAGEST_TRY(const JsonValue comparator, config->Require("comparator"));
  ALMAGEST_TRY(const std::string_view name, comparator.AsString());
  if (name != "max_sim") return Fail(FormatError(comparator.path(), "expected `max_sim`"));
  return true;
}

Result<DenseVectorConfig> ParseDense(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  DenseVectorConfig dense;
  ALMAGEST_TRY(const JsonValue size, value.Require("size"));
  ALMAGEST_TRY(dense.dimension, size.AsUnsignedIn(1, kDimensionMax));
  ALMAGEST_TRY(const JsonValue distance, value.Require("distance"));
  ALMAGEST_TRY(const std::string_view name, distance.AsString());
  const auto known = ParseDistance(name);
  if (!known) {
    return Fail(FormatError(distance.path(),
                            fmt::format("unknown variant `{}`, expected one of `Cosine`, `Euclid`, "
                                        "`Dot`, `Manhattan`",
                                        name.substr(0, 100))));
  }
  dense.distance = *known;
  ALMAGEST_TRY(dense.datatype, ParseDatatypeOf(value, dense.distance));
  ALMAGEST_TRY(dense.multi, ParseMultiVectorConfig(value));
  KeepVectorSettings(value, dense);
  return dense;
}

Result<SparseVectorConfig> ParseSparse(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  SparseVectorConfig sparse;
  KeepSparseSettings(value, sparse);
  ALMAGEST_TRY(const auto modifier, value.FindString("modifier"));
  if (modifier && *modifier != "idf" && *modifier != "none") {
    return Fail(FormatError(value.ChildPath("modifier"), "expected `idf` or `none`"));
  }
  sparse.idf = modifier == "idf";
  return sparse;
}

Result<> ApplyOurs(const JsonValue& value, CollectionConfig& config) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"durability", "seal_rows"}));
  ALMAGEST_TRY(const auto durability, value.FindString("durability"));
  if (durability && *durability != "sync" && *durability != "process") {
    return Fail(FormatError(value.ChildPath("durability"), "expected `sync` or `process`"));
  }
  if (durability) {
    config.durability = *durability == "sync" ? Durability::kSync : Durability::kProcess;
  }
  if (const auto rows = value.Find("seal_rows")) {
    ALMAGEST_TRY(config.optimizer.seal_rows, rows->AsUnsignedIn(1, 10'000'000));
  }
  return {};
}

Result<> CheckSingleShard(const JsonValue& body) {
  ALMAGEST_TRY_VOID(RequireOne(body, "shard_number", "collections have one shard"));
  ALMAGEST_TRY_VOID(RequireOne(body, "replication_factor", "this server is a single node"));
  ALMAGEST_TRY_VOID(RequireOne(body, "write_consistency_factor", "this server is a single node"));
  ALMAGEST_TRY(const auto method, body.FindString("sharding_method"));
  if (method && *method != "auto") {
    return Fail(UnsupportedError(body.ChildPath("sharding_method"), "collections have one shard"));
  }
  return {};
}

Result<> RefuseMissingFeatures(const JsonValue& body) {
  ALMAGEST_TRY_VOID(body.RefuseKey("init_from", "copy points with scroll and upsert"));
  return {};
}

Result<> ApplyStrictMode(const JsonValue& body, CollectionConfig& config) {
  const auto value = body.Find("strict_mode_config");
  if (!value) return {};
  auto merged = MergeStrictMode(value->ToJson(), &config.strict_mode);
  if (merged) return {};
  if (merged.error().code == ErrorCode::kOutOfRange) return Fail(merged.error());
  return Fail(FormatError(value->path(), merged.error().message));
}

// `metadata`: keys set to null are removed.
Result<> ApplyMetadata(const JsonValue& value, CollectionConfig& config) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  ALMAGEST_TRY(config.metadata_json, MergePayload(config.metadata_json, value.ToJson()));
  return {};
}

}  // namespace

Result<CollectionConfig> ParseCreateCollection(const JsonValue& body) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(RefuseMissingFeatures(body));
  ALMAGEST_TRY_VOID(CheckSingleShard(body));
  CollectionConfig config;
  KeepIndexSettings(body, config);
  KeepStorageSettings(body, config);
  if (const auto vectors = body.Find("vectors")) {
    ALMAGEST_TRY_VOID(vectors->ExpectObject());
    const auto size = vectors->Find("size");
    if (size && !size->IsObject()) {
      ALMAGEST_TRY(config.dense[""], ParseDense(*vectors));
    } else {
      ALMAGEST_TRY(const auto members, vectors->Members());
      for (const auto& [name, value] : members) {
        ALMAGEST_TRY(config.dense[std::string(name)], ParseDense(value));
      }
    }
  }
  if (const auto sparse = body.Find("sparse_vectors")) {
    ALMAGEST_TRY(const auto members, sparse->Members());
    for (const auto& [name, value] : members) {
      ALMAGEST_TRY(config.sparse[std::string(name)], ParseSparse(value));
    }
  }
  if (const auto metadata = body.Find("metadata")) {
    ALMAGEST_TRY_VOID(ApplyMetadata(*metadata, config));
  }
  ALMAGEST_TRY_VOID(ApplyStrictMode(body, config));
  if (const auto ours = body.Find("almagest")) ALMAGEST_TRY_VOID(ApplyOurs(*ours, config));
  ALMAGEST_TRY_VOID(DeriveSettings(config));
  ALMAGEST_TRY_VOID(ValidateConfig(config));
  return config;
}

Result<> ApplyCollectionChanges(const JsonValue& body, CollectionConfig& config) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(RefuseMissingFeatures(body));
  if (const auto params = body.Find("params")) {
    ALMAGEST_TRY_VOID(params->ExpectObject());
    ALMAGEST_TRY_VOID(CheckSingleShard(*params));
    ALMAGEST_TRY_VOID(params->RefuseKey("read_fan_out_factor", "this server is a single node"));
    ALMAGEST_TRY_VOID(params->RefuseKey("read_fan_out_delay_ms", "this server is a single node"));
    KeepStorageSettings(*params, config);
  }
  KeepIndexSettings(body, config);
  if (const auto vectors = body.Find("vectors")) {
    ALMAGEST_TRY(const auto members, vectors->Members());
    for (const auto& [name, value] : members) {
      const auto found = config.dense.find(std::string(name));
      if (found == config.dense.end()) {
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("Not existing vector name error: {}", name));
      }
      KeepVectorSettings(value, found->second);
    }
  }
  if (const auto sparse = body.Find("sparse_vectors")) {
    ALMAGEST_TRY(const auto members, sparse->Members());
    for (const auto& [name, value] : members) {
      const auto found = config.sparse.find(std::string(name));
      if (found == config.sparse.end()) {
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("Not existing vector name error: {}", name));
      }
      ALMAGEST_TRY(const SparseVectorConfig changed, ParseSparse(value));
      if (value.Find("modifier")) found->second.idf = changed.idf;
      KeepSparseSettings(value, found->second);
    }
  }
  if (const auto metadata = body.Find("metadata")) {
    ALMAGEST_TRY_VOID(ApplyMetadata(*metadata, config));
  }
  ALMAGEST_TRY_VOID(ApplyStrictMode(body, config));
  if (const auto ours = body.Find("almagest")) ALMAGEST_TRY_VOID(ApplyOurs(*ours, config));
  ALMAGEST_TRY_VOID(DeriveSettings(config));
  return ValidateConfig(config);
}

Result<Collection::NewVector> ParseNewVector(const JsonValue& body, const std::string& name,
                                             CollectionConfig config) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseUnknownKeys({"dense", "sparse"}));
  const auto dense = body.Find("dense");
  const auto sparse = body.Find("sparse");
  if (dense.has_value() == sparse.has_value()) {
    return Fail(FormatError("", "expected one of `dense` and `sparse`"));
  }
  if (dense) {
    ALMAGEST_TRY(config.dense[name], ParseDense(*dense));
    ALMAGEST_TRY_VOID(DeriveSettings(config));
    return Collection::NewVector(config.dense[name]);
  }
  ALMAGEST_TRY(config.sparse[name], ParseSparse(*sparse));
  ALMAGEST_TRY_VOID(DeriveSettings(config));
  return Collection::NewVector(config.sparse[name]);
}

Result<PayloadIndexConfig> ParsePayloadIndexSchema(const JsonValue& value) {
  auto config = ParsePayloadIndexConfig(value.ToJson());
  if (config) return *std::move(config);
  const Error& error = config.error();
  if (error.code == ErrorCode::kOutOfRange) {
    return Fail(error.code, fmt::format("[{}: {}]", value.path(), error.message));
  }
  return Fail(FormatError(value.path(), error.message));
}

}  // namespace almagest

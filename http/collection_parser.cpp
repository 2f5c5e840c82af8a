#include "http/collection_parser.h"

#include <fmt/format.h>

#include "engine/payload/payload.h"
#include "http/error_response.h"
#include "http/quantization_parser.h"

namespace almagest {
namespace {

// What a collection's settings say for fields that say nothing themselves.
struct FieldDefaults {
  HnswConfig hnsw;
  Quantization quantization;
};

Result<> RequireOne(const JsonValue& object, std::string_view key, std::string_view why) {
  ALMAGEST_TRY(const auto value, object.FindUnsigned(key));
  if (value.value_or(1) != 1) return Fail(UnsupportedError(object.ChildPath(key), why));
  return {};
}

Result<> RequireFloat32(const JsonValue& object) {
  ALMAGEST_TRY(const auto type, object.FindString("datatype"));
  if (type && *type != "float32") {
    return Fail(UnsupportedError(object.ChildPath("datatype"), "vectors are float32"));
  }
  return {};
}

// on_disk and memory say where data may live. Here everything is in mapped files behind a cache
// that the operating system sizes, which is what both settings ask for.
Result<> CheckPlacement(const JsonValue& object) {
  ALMAGEST_TRY_VOID(object.FindBool("on_disk"));
  ALMAGEST_TRY(const auto memory, object.FindString("memory"));
  if (memory == "pinned") {
    return Fail(UnsupportedError(object.ChildPath("memory"), "files are mapped, not pinned"));
  }
  return {};
}

Result<> ApplyHnsw(const JsonValue& value, HnswConfig& hnsw) {
  ALMAGEST_TRY_VOID(
      value.RefuseUnknownKeys({"m", "ef_construct", "full_scan_threshold", "max_indexing_threads",
                               "on_disk", "memory", "payload_m", "inline_storage"}));
  ALMAGEST_TRY_VOID(value.RefuseKey("payload_m", "filtered search needs no extra links"));
  ALMAGEST_TRY_VOID(value.RefuseKey("inline_storage", "the layout of graphs is fixed"));
  ALMAGEST_TRY_VOID(CheckPlacement(value));
  // 0 leaves the number to the server.
  if (const auto threads = value.Find("max_indexing_threads")) {
    ALMAGEST_TRY(hnsw.build_threads, threads->AsUnsignedIn(0, 1024));
  }
  if (const auto m = value.Find("m")) {
    ALMAGEST_TRY(hnsw.degree, m->AsUnsignedIn(4, 128));
  }
  if (const auto ef = value.Find("ef_construct")) {
    ALMAGEST_TRY(hnsw.build_beam, ef->AsUnsignedIn(4, 4096));
  }
  ALMAGEST_TRY(const auto threshold, value.FindUnsigned("full_scan_threshold"));
  hnsw.full_scan_threshold_kb = threshold.value_or(hnsw.full_scan_threshold_kb);
  return {};
}

Result<DenseVectorConfig> ParseDense(const JsonValue& value, const FieldDefaults& defaults) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  ALMAGEST_TRY_VOID(value.RefuseKey("multivector_config", "a point has one vector per name"));
  ALMAGEST_TRY_VOID(RequireFloat32(value));
  ALMAGEST_TRY_VOID(CheckPlacement(value));
  DenseVectorConfig dense;
  dense.hnsw = defaults.hnsw;
  dense.quantization = defaults.quantization;
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
  if (const auto hnsw = value.Find("hnsw_config")) {
    ALMAGEST_TRY_VOID(ApplyHnsw(*hnsw, dense.hnsw));
  }
  ALMAGEST_TRY_VOID(ApplyQuantization(value, dense.quantization));
  return dense;
}

Result<SparseVectorConfig> ParseSparse(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  SparseVectorConfig sparse;
  if (const auto index = value.Find("index")) {
    ALMAGEST_TRY_VOID(index->ExpectObject());
    ALMAGEST_TRY_VOID(RequireFloat32(*index));
    ALMAGEST_TRY_VOID(CheckPlacement(*index));
    // Below it a full scan may be used; sparse search is exact either way.
    ALMAGEST_TRY_VOID(index->FindUnsigned("full_scan_threshold"));
  }
  ALMAGEST_TRY(const auto modifier, value.FindString("modifier"));
  if (modifier && *modifier != "idf" && *modifier != "none") {
    return Fail(FormatError(value.ChildPath("modifier"), "expected `idf` or `none`"));
  }
  sparse.idf = modifier == "idf";
  return sparse;
}

Result<> ApplyOptimizers(const JsonValue& value, OptimizerConfig& optimizer) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys(
      {"deleted_threshold", "vacuum_min_vector_number", "default_segment_number",
       "max_segment_size", "memmap_threshold", "indexing_threshold", "flush_interval_sec",
       "max_optimization_threads", "prevent_unoptimized"}));
  ALMAGEST_TRY_VOID(value.RefuseKey("vacuum_min_vector_number", "use deleted_threshold"));
  ALMAGEST_TRY_VOID(value.RefuseKey("max_segment_size", "segments are bounded in rows, not bytes"));
  ALMAGEST_TRY_VOID(value.RefuseKey("indexing_threshold", "use hnsw_config.full_scan_threshold"));
  ALMAGEST_TRY(const auto prevent, value.FindBool("prevent_unoptimized"));
  if (prevent.value_or(false)) {
    return Fail(
        UnsupportedError(value.ChildPath("prevent_unoptimized"), "writes are searchable at once"));
  }
  // Segments are always mapped; an acknowledged write is in the log at once; there is one thread.
  ALMAGEST_TRY_VOID(value.FindUnsigned("memmap_threshold"));
  ALMAGEST_TRY_VOID(value.FindUnsigned("flush_interval_sec"));
  if (const auto deleted = value.Find("deleted_threshold")) {
    ALMAGEST_TRY(optimizer.deleted_fraction_max, deleted->AsDoubleIn(0, 1));
  }
  // 0 leaves the number to the server.
  if (const auto segments = value.Find("default_segment_number")) {
    ALMAGEST_TRY(const uint64_t count, segments->AsUnsignedIn(0, 64));
    if (count > 0) optimizer.segments_max = static_cast<uint32_t>(count);
  }
  return {};
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
  ALMAGEST_TRY_VOID(body.FindBool("on_disk_payload"));  // Payloads are on disk, behind a cache.
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
  if (const auto payload = body.Find("payload")) ALMAGEST_TRY_VOID(CheckPlacement(*payload));
  CollectionConfig config;
  FieldDefaults defaults;
  if (const auto value = body.Find("hnsw_config")) {
    ALMAGEST_TRY_VOID(ApplyHnsw(*value, defaults.hnsw));
  }
  ALMAGEST_TRY_VOID(ApplyQuantization(body, defaults.quantization));
  if (const auto vectors = body.Find("vectors")) {
    ALMAGEST_TRY_VOID(vectors->ExpectObject());
    const auto size = vectors->Find("size");
    if (size && !size->IsObject()) {
      ALMAGEST_TRY(config.dense[""], ParseDense(*vectors, defaults));
    } else {
      ALMAGEST_TRY(const auto members, vectors->Members());
      for (const auto& [name, value] : members) {
        ALMAGEST_TRY(config.dense[std::string(name)], ParseDense(value, defaults));
      }
    }
  }
  if (const auto sparse = body.Find("sparse_vectors")) {
    ALMAGEST_TRY(const auto members, sparse->Members());
    for (const auto& [name, value] : members) {
      ALMAGEST_TRY(config.sparse[std::string(name)], ParseSparse(value));
    }
  }
  if (const auto optimizers = body.Find("optimizers_config")) {
    ALMAGEST_TRY_VOID(ApplyOptimizers(*optimizers, config.optimizer));
  }
  if (const auto metadata = body.Find("metadata")) {
    ALMAGEST_TRY_VOID(ApplyMetadata(*metadata, config));
  }
  ALMAGEST_TRY_VOID(ApplyStrictMode(body, config));
  if (const auto ours = body.Find("almagest")) ALMAGEST_TRY_VOID(ApplyOurs(*ours, config));
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
  }
  if (const auto hnsw = body.Find("hnsw_config")) {
    for (auto& [name, dense] : config.dense) ALMAGEST_TRY_VOID(ApplyHnsw(*hnsw, dense.hnsw));
  }
  for (auto& [name, dense] : config.dense) {
    ALMAGEST_TRY_VOID(ApplyQuantization(body, dense.quantization));
  }
  if (const auto vectors = body.Find("vectors")) {
    ALMAGEST_TRY(const auto members, vectors->Members());
    for (const auto& [name, value] : members) {
      const auto found = config.dense.find(std::string(name));
      if (found == config.dense.end()) {
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("Not existing vector name error: {}", name));
      }
      ALMAGEST_TRY_VOID(ApplyQuantization(value, found->second.quantization));
      ALMAGEST_TRY_VOID(CheckPlacement(value));
      if (const auto hnsw = value.Find("hnsw_config")) {
        ALMAGEST_TRY_VOID(ApplyHnsw(*hnsw, found->second.hnsw));
      }
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
      if (value.Find("modifier")) found->second = changed;
    }
  }
  if (const auto optimizers = body.Find("optimizers_config")) {
    ALMAGEST_TRY_VOID(ApplyOptimizers(*optimizers, config.optimizer));
  }
  if (const auto metadata = body.Find("metadata")) {
    ALMAGEST_TRY_VOID(ApplyMetadata(*metadata, config));
  }
  ALMAGEST_TRY_VOID(ApplyStrictMode(body, config));
  if (const auto ours = body.Find("almagest")) ALMAGEST_TRY_VOID(ApplyOurs(*ours, config));
  return ValidateConfig(config);
}

Result<Collection::NewVector> ParseNewVector(const JsonValue& body) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseUnknownKeys({"dense", "sparse"}));
  const auto dense = body.Find("dense");
  const auto sparse = body.Find("sparse");
  if (dense.has_value() == sparse.has_value()) {
    return Fail(FormatError("", "expected one of `dense` and `sparse`"));
  }
  if (dense) {
    ALMAGEST_TRY(const DenseVectorConfig added, ParseDense(*dense, FieldDefaults()));
    return Collection::NewVector(added);
  }
  ALMAGEST_TRY(const SparseVectorConfig added, ParseSparse(*sparse));
  return Collection::NewVector(added);
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

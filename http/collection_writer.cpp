// WriteCollectionInfo: settings as they were given (collection_settings.h), and Qdrant's defaults
// or what is true here for those that were not.
#include <nlohmann/json.hpp>
#include <vector>

#include "http/collection_parser.h"
#include "http/collection_settings.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

// "Disabled" is a word of requests: answers have null or nothing.
void WriteKept(JsonWriter& json, const Json& kept) {
  for (const auto& [key, value] : kept.items()) {
    if (value != "Disabled") json.Key(key).Raw(value.dump());
  }
}

void WriteMerged(JsonWriter& json, Json defaults, const Json& settings, const char* key) {
  const auto given = settings.find(key);
  if (given != settings.end() && given->is_object()) defaults.update(*given);
  json.Raw(defaults.dump());
}

void WriteDense(JsonWriter& json, const DenseVectorConfig& dense) {
  json.BeginObject();
  json.Key("size").Unsigned(dense.dimension);
  json.Key("distance").String(DistanceName(dense.distance));
  if (dense.datatype != Datatype::kFloat32) {
    json.Key("datatype").String(DatatypeName(dense.datatype));
  }
  if (dense.multi) {
    json.Key("multivector_config").BeginObject().Key("comparator").String("max_sim").EndObject();
  }
  WriteKept(json, KeptSettings(dense.settings_json));
  json.EndObject();
}

void WriteParams(JsonWriter& json, const CollectionConfig& config, const Json& settings) {
  json.BeginObject();
  json.Key("vectors");
  const auto unnamed = config.dense.find("");
  if (unnamed != config.dense.end() && config.dense.size() == 1) {
    WriteDense(json, unnamed->second);
  } else {
    json.BeginObject();
    for (const auto& [name, dense] : config.dense) {
      json.Key(name);
      WriteDense(json, dense);
    }
    json.EndObject();
  }
  if (!config.sparse.empty()) {
    json.Key("sparse_vectors").BeginObject();
    for (const auto& [name, sparse] : config.sparse) {
      json.Key(name).BeginObject();
      if (sparse.idf) json.Key("modifier").String("idf");
      WriteKept(json, KeptSettings(sparse.settings_json));
      json.EndObject();
    }
    json.EndObject();
  }
  json.Key("shard_number").Unsigned(1);
  json.Key("replication_factor").Unsigned(1);
  json.Key("write_consistency_factor").Unsigned(1);
  json.Key("on_disk_payload").Bool(settings.value("on_disk_payload", Json(true)) != false);
  if (settings.contains("payload")) json.Key("payload").Raw(settings.at("payload").dump());
  json.EndObject();
}

void WriteSettings(JsonWriter& json, const CollectionConfig& config) {
  const Json settings = KeptSettings(config.settings_json);
  const HnswConfig hnsw;
  const OptimizerConfig optimizer;
  json.Key("params");
  WriteParams(json, config, settings);
  json.Key("hnsw_config");
  WriteMerged(json,
              {{"m", hnsw.degree},
               {"ef_construct", hnsw.build_beam},
               {"full_scan_threshold", hnsw.full_scan_threshold_kb},
               {"max_indexing_threads", hnsw.build_threads},
               {"on_disk", false}},
              settings, "hnsw_config");
  json.Key("optimizer_config");
  WriteMerged(json,
              {{"deleted_threshold", optimizer.deleted_fraction_max},
               {"vacuum_min_vector_number", kVacuumRowsMin},
               {"default_segment_number", 0},
               {"max_segment_size", nullptr},
               {"memmap_threshold", nullptr},
               {"indexing_threshold", hnsw.full_scan_threshold_kb},
               {"flush_interval_sec", 0},
               {"max_optimization_threads", nullptr}},
              settings, "optimizers_config");
  json.Key("wal_config");
  WriteMerged(json, {{"wal_capacity_mb", 32}, {"wal_segments_ahead", 0}, {"wal_retain_closed", 1}},
              settings, "wal_config");
  json.Key("quantization_config");
  const auto quantization = settings.find("quantization_config");
  if (quantization != settings.end() && quantization->is_object()) {
    json.Raw(quantization->dump());
  } else {
    json.Null();
  }
}

// Settings that are shown but cannot be had.
void WriteWarnings(JsonWriter& json, const CollectionConfig& config) {
  std::vector<std::string> warnings;
  for (const auto& [key, index] : config.payload_indexes) {
    const Json parameters = KeptSettings(index.parameters.empty() ? "{}" : index.parameters);
    if (parameters.value("memory", parameters.value("on_disk", false) ? "cold" : "") != "cold") {
      continue;
    }
    warnings.push_back("the payload index of `" + key + "` is kept in memory: on_disk and memory " +
                       "do not change that");
  }
  if (warnings.empty()) return;
  json.Key("warnings").BeginArray();
  for (const std::string& warning : warnings) {
    json.BeginObject().Key("message").String(warning).EndObject();
  }
  json.EndArray();
}

}  // namespace

void WriteCollectionParams(JsonWriter& json, const CollectionConfig& config) {
  WriteParams(json, config, KeptSettings(config.settings_json));
}

void WriteCollectionSettings(JsonWriter& json, const CollectionConfig& config) {
  json.BeginObject();
  WriteSettings(json, config);
  if (config.strict_mode != StrictModeConfig()) {
    json.Key("strict_mode_config").Raw(StrictModeToJson(config.strict_mode));
  }
  if (config.metadata_json != "{}") json.Key("metadata").Raw(config.metadata_json);
  json.EndObject();
}

void WriteCollectionInfo(JsonWriter& json, const CollectionConfig& config,
                         const CollectionInfo& info) {
  json.BeginObject();
  json.Key("status").String(info.optimizing ? "yellow" : "green");
  json.Key("optimizer_status").String("ok");
  WriteWarnings(json, config);
  json.Key("indexed_vectors_count").Unsigned(info.indexed_vectors);
  json.Key("points_count").Unsigned(info.points);
  json.Key("segments_count").Unsigned(info.segments.size());
  json.Key("config");
  WriteCollectionSettings(json, config);
  json.Key("payload_schema").BeginObject();
  for (const auto& [key, index] : config.payload_indexes) {
    const auto points = info.payload_index_points.find(key);
    json.Key(key).BeginObject();
    json.Key("data_type").String(PayloadIndexTypeName(index.type));
    if (!index.parameters.empty()) json.Key("params").Raw(index.parameters);
    json.Key("points").Unsigned(points == info.payload_index_points.end() ? 0 : points->second);
    json.EndObject();
  }
  json.EndObject();
  json.Key("almagest").BeginObject();
  json.Key("durability").String(config.durability == Durability::kSync ? "sync" : "process");
  json.Key("seal_rows").Unsigned(config.optimizer.seal_rows);
  json.Key("segments").BeginArray();
  for (const SegmentInfo& segment : info.segments) {
    json.BeginObject();
    json.Key("id").Unsigned(segment.id).Key("sealed").Bool(segment.sealed);
    json.Key("rows").Unsigned(segment.rows).Key("deleted").Unsigned(segment.deleted);
    json.Key("bytes_on_disk").Unsigned(segment.bytes_on_disk);
    json.Key("bytes_in_memory").Unsigned(segment.bytes_in_memory);
    json.Key("versions").BeginObject();
    for (const auto& [name, version] : segment.versions) json.Key(name).Unsigned(version);
    json.EndObject().EndObject();
  }
  json.EndArray().EndObject();
  json.EndObject();
}

}  // namespace almagest

// WriteCollectionInfo: settings as Qdrant shows them. Values that are no settings here (they hold
// for every collection) are shown with what is true.
#include "http/collection_parser.h"
#include "http/quantization_parser.h"

namespace almagest {
namespace {

void WriteHnsw(JsonWriter& json, const HnswConfig& hnsw) {
  json.BeginObject();
  json.Key("m").Unsigned(hnsw.degree);
  json.Key("ef_construct").Unsigned(hnsw.build_beam);
  json.Key("full_scan_threshold").Unsigned(hnsw.full_scan_threshold_kb);
  json.Key("max_indexing_threads").Unsigned(hnsw.build_threads);
  json.Key("on_disk").Bool(true);
  json.EndObject();
}

void WriteDense(JsonWriter& json, const DenseVectorConfig& dense) {
  json.BeginObject();
  json.Key("size").Unsigned(dense.dimension);
  json.Key("distance").String(DistanceName(dense.distance));
  json.Key("hnsw_config");
  WriteHnsw(json, dense.hnsw);
  if (dense.quantization != Quantization()) {
    json.Key("quantization_config");
    WriteQuantization(json, dense.quantization);
  }
  json.EndObject();
}

void WriteParams(JsonWriter& json, const CollectionConfig& config) {
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
      json.EndObject();
    }
    json.EndObject();
  }
  json.Key("shard_number").Unsigned(1);
  json.Key("replication_factor").Unsigned(1);
  json.Key("write_consistency_factor").Unsigned(1);
  json.Key("on_disk_payload").Bool(true);
  json.EndObject();
}

void WriteOptimizers(JsonWriter& json, const OptimizerConfig& optimizer) {
  json.BeginObject();
  json.Key("deleted_threshold").Double(optimizer.deleted_fraction_max);
  json.Key("vacuum_min_vector_number").Unsigned(0);
  json.Key("default_segment_number").Unsigned(optimizer.segments_max);
  json.Key("flush_interval_sec").Unsigned(0);
  json.Key("max_optimization_threads").Unsigned(1);
  json.EndObject();
}

}  // namespace

void WriteCollectionInfo(JsonWriter& json, const CollectionConfig& config,
                         const CollectionInfo& info) {
  json.BeginObject();
  json.Key("status").String(info.optimizing ? "yellow" : "green");
  json.Key("optimizer_status").String("ok");
  json.Key("indexed_vectors_count").Unsigned(info.indexed_vectors);
  json.Key("points_count").Unsigned(info.points);
  json.Key("segments_count").Unsigned(info.segments.size());
  json.Key("config").BeginObject();
  json.Key("params");
  WriteParams(json, config);
  json.Key("hnsw_config");
  WriteHnsw(json, config.dense.empty() ? HnswConfig() : config.dense.begin()->second.hnsw);
  json.Key("optimizer_config");
  WriteOptimizers(json, config.optimizer);
  json.Key("wal_config").BeginObject();
  json.Key("wal_capacity_mb").Unsigned(256).Key("wal_segments_ahead").Unsigned(0);
  json.EndObject();
  json.Key("quantization_config");
  WriteQuantization(
      json, config.dense.empty() ? Quantization() : config.dense.begin()->second.quantization);
  if (config.strict_mode != StrictModeConfig()) {
    json.Key("strict_mode_config").Raw(StrictModeToJson(config.strict_mode));
  }
  if (config.metadata_json != "{}") json.Key("metadata").Raw(config.metadata_json);
  json.EndObject();
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

#include "http/collection_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "http/error_response.h"
#include "http/quantization_parser.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMergedRowsMax = 100'000'000;

// Objects of settings are changed member by member; one kind of quantization takes the place of
// another.
void Keep(const JsonValue& given, std::string_view key, std::string_view kept_as, Json& kept) {
  const auto value = given.Find(key);
  if (!value) return;
  const std::string name(kept_as);
  Json change = Json::parse(value->ToJson());
  if (!change.is_object() || name == "quantization_config") {
    kept[name] = std::move(change);
    return;
  }
  Json& object = kept[name];
  if (!object.is_object()) object = Json::object();
  for (auto& [member, setting] : change.items()) {
    if (!setting.is_null()) object[member] = std::move(setting);
  }
}

void Keep(const JsonValue& given, std::initializer_list<std::string_view> keys,
          std::string& settings_json) {
  Json kept = KeptSettings(settings_json);
  for (const std::string_view key : keys) Keep(given, key, key, kept);
  if (given.Find("quantization")) {  // The older name.
    const bool wanted = std::ranges::find(keys, "quantization_config") != keys.end();
    if (wanted) Keep(given, "quantization", "quantization_config", kept);
  }
  settings_json = kept.dump();
}

// Kept settings as a value of the request that they came from.
class SettingsReader {
 public:
  static Result<SettingsReader> Read(const std::string& settings_json, std::string path) {
    SettingsReader reader;
    Document& document = *reader.document_;
    document.path = std::move(path);
    simdjson::dom::element element;
    if (document.parser.parse(settings_json).get(element) != simdjson::SUCCESS) {
      return Fail(ErrorCode::kCorruption, "the stored settings of a collection cannot be read");
    }
    reader.value_.emplace(element, JsonPath(document.steps).Child(document.path));
    return reader;
  }
  const JsonValue& value() const { return *value_; }

 private:
  // What the value refers to.
  struct Document {
    simdjson::dom::parser parser;
    JsonPath::Steps steps;
    std::string path;
  };
  SettingsReader() : document_(std::make_unique<Document>()) {}
  std::unique_ptr<Document> document_;
  std::optional<JsonValue> value_;
};

// on_disk and memory say where data may live. Everything is in mapped files behind the cache of the
// operating system, which keeps in memory what is used and what fits; graphs are copied into memory
// besides, unless it is `cold`. Only graphs can be `pinned`. `memory` wins where both are given.
Result<GraphPlacement> ReadPlacement(const JsonValue& object, bool may_pin = false) {
  ALMAGEST_TRY(const auto on_disk, object.FindBool("on_disk"));
  const auto memory = object.Find("memory");
  if (!memory)
    return on_disk.value_or(false) ? GraphPlacement::kMapped : GraphPlacement::kAutomatic;
  ALMAGEST_TRY(const std::string_view place, memory->AsString());
  if (place == "cold") return GraphPlacement::kMapped;
  if (place == "cached") return GraphPlacement::kAutomatic;
  if (place != "pinned") {
    return Fail(FormatError(memory->path(), "expected `cold`, `cached` or `pinned`"));
  }
  if (may_pin) return GraphPlacement::kPinned;
  return Fail(ValueError(memory->path(), "pinned",
                         "cold or cached: files are mapped, only graphs can be pinned"));
}

// What a field's graphs are built by, as far as settings of the collection or the field say it.
struct GraphSettings {
  HnswConfig hnsw;
  std::optional<uint64_t> full_scan_threshold_kb;
  GraphPlacement placement = GraphPlacement::kAutomatic;
};

Result<> ReadHnsw(const JsonValue& value, GraphSettings& graph) {
  ALMAGEST_TRY_VOID(
      value.RefuseUnknownKeys({"m", "ef_construct", "full_scan_threshold", "max_indexing_threads",
                               "on_disk", "memory", "payload_m", "inline_storage"}));
  // Filtered searches walk the one graph or scan what matches, and nodes carry their neighbours'
  // codes: what payload_m and inline_storage ask for needs no setting.
  ALMAGEST_TRY_VOID(value.FindUnsigned("payload_m"));
  ALMAGEST_TRY_VOID(value.FindBool("inline_storage"));
  if (value.Find("memory") || value.Find("on_disk")) {
    ALMAGEST_TRY(graph.placement, ReadPlacement(value, /*may_pin=*/true));
  }
  // 0 leaves the number to the server.
  if (const auto threads = value.Find("max_indexing_threads")) {
    ALMAGEST_TRY(graph.hnsw.build_threads, threads->AsUnsignedIn(0, 1024));
  }
  if (const auto m = value.Find("m")) {
    ALMAGEST_TRY(graph.hnsw.degree, m->AsUnsignedIn(0, 128));
    if (graph.hnsw.degree > 0 && graph.hnsw.degree < 4) {
      return Fail(ValueError(m->path(), fmt::format("{}", graph.hnsw.degree),
                             "from 4 to 128, or 0 for no graph"));
    }
  }
  if (const auto ef = value.Find("ef_construct")) {
    ALMAGEST_TRY(graph.hnsw.build_beam, ef->AsUnsignedIn(4, 4096));
  }
  if (const auto threshold = value.Find("full_scan_threshold")) {
    ALMAGEST_TRY(graph.full_scan_threshold_kb, threshold->AsUnsignedIn(10, UINT64_MAX));
  }
  return {};
}

uint64_t RowBytes(const CollectionConfig& config) {
  uint64_t bytes = 0;
  for (const auto& [name, dense] : config.dense) bytes += dense.dimension * sizeof(float);
  return std::max<uint64_t>(bytes, 1);
}

uint64_t RowsIn(uint64_t kilobytes, uint64_t row_bytes) {
  const uint64_t bytes = std::min(kilobytes, UINT64_MAX / 1024) * 1024;
  return bytes / row_bytes;
}

Result<> ReadOptimizers(const JsonValue& value, uint64_t row_bytes, OptimizerConfig& optimizer,
                        std::optional<uint64_t>& indexing_threshold_kb) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys(
      {"deleted_threshold", "vacuum_min_vector_number", "default_segment_number",
       "max_segment_size", "memmap_threshold", "indexing_threshold", "flush_interval_sec",
       "max_optimization_threads", "prevent_unoptimized"}));
  ALMAGEST_TRY(const auto prevent, value.FindBool("prevent_unoptimized"));
  if (prevent.value_or(false)) {
    return Fail(
        UnsupportedError(value.ChildPath("prevent_unoptimized"), "writes are searchable at once"));
  }
  // Segments are always mapped; an acknowledged write is in the log at once.
  ALMAGEST_TRY_VOID(value.FindUnsigned("memmap_threshold"));
  ALMAGEST_TRY_VOID(value.FindUnsigned("flush_interval_sec"));
  if (const auto deleted = value.Find("deleted_threshold")) {
    ALMAGEST_TRY(optimizer.deleted_fraction_max, deleted->AsDoubleIn(0, 1));
  }
  if (const auto vacuum = value.Find("vacuum_min_vector_number")) {
    ALMAGEST_TRY(optimizer.vacuum_rows_min, vacuum->AsUnsignedIn(100, UINT32_MAX));
  }
  // 0 leaves the number to the server.
  if (const auto segments = value.Find("default_segment_number")) {
    ALMAGEST_TRY(const uint64_t count, segments->AsUnsignedIn(0, 64));
    if (count > 0) optimizer.segments_max = static_cast<uint32_t>(count);
  }
  if (const auto size = value.Find("max_segment_size")) {
    ALMAGEST_TRY(const uint64_t kilobytes, size->AsUnsignedIn(1, UINT64_MAX));
    optimizer.merged_rows_max = static_cast<uint32_t>(
        std::clamp<uint64_t>(RowsIn(kilobytes, row_bytes), 1, kMergedRowsMax));
  }
  if (const auto threads = value.Find("max_optimization_threads")) {
    ALMAGEST_TRY(const uint64_t count, threads->AsUnsigned());
    optimizer.enabled = count > 0;
  }
  // Rows enough for a graph need not wait for a full segment.
  ALMAGEST_TRY(indexing_threshold_kb, value.FindUnsigned("indexing_threshold"));
  if (indexing_threshold_kb.value_or(0) > 0) {
    const uint64_t rows = RowsIn(*indexing_threshold_kb, row_bytes);
    optimizer.idle_seal_rows = static_cast<uint32_t>(
        std::clamp<uint64_t>(rows, 1, std::max(1u, optimizer.seal_rows / 10)));
  }
  return {};
}

Result<> CheckWal(const JsonValue& value) {
  ALMAGEST_TRY_VOID(
      value.RefuseUnknownKeys({"wal_capacity_mb", "wal_segments_ahead", "wal_retain_closed"}));
  if (const auto capacity = value.Find("wal_capacity_mb")) {
    ALMAGEST_TRY_VOID(capacity->AsUnsignedIn(1, UINT64_MAX));
  }
  ALMAGEST_TRY_VOID(value.FindUnsigned("wal_segments_ahead"));
  ALMAGEST_TRY_VOID(value.FindUnsigned("wal_retain_closed"));
  return {};
}

// A graph where `indexing_threshold` asks for one, and where searches would not scan anyway.
void ApplyThresholds(const GraphSettings& graph, const std::optional<uint64_t>& indexing_kb,
                     HnswConfig& hnsw) {
  hnsw.full_scan_threshold_kb =
      graph.full_scan_threshold_kb.value_or(indexing_kb.value_or(hnsw.full_scan_threshold_kb));
  if (!indexing_kb) return;
  hnsw.full_scan_threshold_kb = std::max(hnsw.full_scan_threshold_kb, *indexing_kb);
  if (*indexing_kb == 0) hnsw.degree = 0;
}

// A multi-vector's own settings. Its search is exact, so an index is no choice that it has; the
// collection's settings are for the other vectors.
Result<> DeriveMulti(const JsonValue& own, DenseVectorConfig& dense) {
  dense.hnsw = {};
  dense.hnsw.degree = 0;
  dense.quantization = {};
  if (const auto hnsw = own.Find("hnsw_config")) {
    GraphSettings asked;
    ALMAGEST_TRY_VOID(ReadHnsw(*hnsw, asked));
    const bool has_degree = hnsw->Find("m").has_value();
    if (asked.hnsw.degree != 0 && (has_degree || hnsw->Find("ef_construct"))) {
      return Fail(UnsupportedError(hnsw->ChildPath(has_degree ? "m" : "ef_construct"),
                                   "multi-vectors are compared exactly, without a graph: only "
                                   "`m` 0"));
    }
  }
  Quantization asked;
  ALMAGEST_TRY_VOID(ApplyQuantization(own, asked));
  if (asked.kind == Quantization::Kind::kDefault || asked.kind == Quantization::Kind::kNone) {
    return {};
  }
  return Fail(
      UnsupportedError(own.ChildPath("quantization_config"), "multi-vectors are kept as float32"));
}

Result<> DeriveDense(const std::string& name, const GraphSettings& whole,
                     const Quantization& quantization, const std::optional<uint64_t>& indexing_kb,
                     DenseVectorConfig& dense) {
  ALMAGEST_TRY(
      const SettingsReader reader,
      SettingsReader::Read(dense.settings_json, name.empty() ? "vectors" : "vectors." + name));
  const JsonValue& own = reader.value();
  ALMAGEST_TRY(const GraphPlacement of_rows, ReadPlacement(own));
  if (dense.multi) return DeriveMulti(own, dense);
  GraphSettings graph = whole;
  if (const auto hnsw = own.Find("hnsw_config")) {
    ALMAGEST_TRY_VOID(ReadHnsw(*hnsw, graph));
  }
  dense.quantization = quantization;
  ALMAGEST_TRY_VOID(ApplyQuantization(own, dense.quantization));
  if (graph.placement == GraphPlacement::kPinned && dense.distance == Distance::kManhattan) {
    return Fail(UnsupportedError(own.ChildPath("hnsw_config.memory"),
                                 "graphs of Manhattan fields are mapped, not pinned"));
  }
  // Nodes hold rows and links in one: the graph stays in the file if either is to, unless it, or
  // the quantized rows in it, are pinned.
  if (dense.quantization.placement != GraphPlacement::kPinned) {
    dense.quantization.placement =
        graph.placement == GraphPlacement::kAutomatic ? of_rows : graph.placement;
  }
  dense.hnsw = graph.hnsw;
  ApplyThresholds(graph, indexing_kb, dense.hnsw);
  return {};
}

Result<> CheckSparse(const std::string& name, const SparseVectorConfig& sparse) {
  ALMAGEST_TRY(const SettingsReader reader,
               SettingsReader::Read(sparse.settings_json, "sparse_vectors." + name));
  const auto index = reader.value().Find("index");
  if (!index) return {};
  ALMAGEST_TRY_VOID(
      index->RefuseUnknownKeys({"full_scan_threshold", "on_disk", "memory", "datatype"}));
  ALMAGEST_TRY_VOID(ReadPlacement(*index));
  // Below it a full scan may be used; sparse search is exact either way.
  ALMAGEST_TRY_VOID(index->FindUnsigned("full_scan_threshold"));
  ALMAGEST_TRY(const auto datatype, index->FindString("datatype"));
  if (datatype && *datatype != "float32") {
    return Fail(UnsupportedError(index->ChildPath("datatype"), "sparse weights are float32"));
  }
  return {};
}

}  // namespace

Json KeptSettings(const std::string& settings_json) { return Json::parse(settings_json); }

void KeepVectorSettings(const JsonValue& vector, DenseVectorConfig& dense) {
  Keep(vector, {"hnsw_config", "quantization_config", "on_disk", "memory"}, dense.settings_json);
}

void KeepSparseSettings(const JsonValue& vector, SparseVectorConfig& sparse) {
  Keep(vector, {"index"}, sparse.settings_json);
}

void KeepIndexSettings(const JsonValue& body, CollectionConfig& config) {
  Keep(body, {"hnsw_config", "quantization_config", "optimizers_config", "wal_config"},
       config.settings_json);
  // "auto" is what holds where nothing is set.
  Json kept = KeptSettings(config.settings_json);
  const auto optimizers = kept.find("optimizers_config");
  if (optimizers == kept.end() || !optimizers->is_object()) return;
  const auto threads = optimizers->find("max_optimization_threads");
  if (threads == optimizers->end() || *threads != "auto") return;
  optimizers->erase(threads);
  config.settings_json = kept.dump();
}

void KeepStorageSettings(const JsonValue& params, CollectionConfig& config) {
  Keep(params, {"on_disk_payload", "payload"}, config.settings_json);
}

Result<> DeriveSettings(CollectionConfig& config) {
  ALMAGEST_TRY(const SettingsReader reader, SettingsReader::Read(config.settings_json, ""));
  const JsonValue& settings = reader.value();
  ALMAGEST_TRY_VOID(settings.FindBool("on_disk_payload"));
  if (const auto payload = settings.Find("payload")) {
    ALMAGEST_TRY_VOID(payload->RefuseUnknownKeys({"memory"}));
    ALMAGEST_TRY_VOID(ReadPlacement(*payload));
  }
  if (const auto wal = settings.Find("wal_config")) ALMAGEST_TRY_VOID(CheckWal(*wal));
  GraphSettings graph;
  if (const auto hnsw = settings.Find("hnsw_config")) {
    ALMAGEST_TRY_VOID(ReadHnsw(*hnsw, graph));
  }
  Quantization quantization;
  ALMAGEST_TRY_VOID(ApplyQuantization(settings, quantization));
  OptimizerConfig optimizer;
  optimizer.seal_rows = config.optimizer.seal_rows;
  optimizer.vacuum_rows_min = kVacuumRowsMin;
  std::optional<uint64_t> indexing_kb;
  if (const auto optimizers = settings.Find("optimizers_config")) {
    ALMAGEST_TRY_VOID(ReadOptimizers(*optimizers, RowBytes(config), optimizer, indexing_kb));
  }
  config.optimizer = optimizer;
  for (auto& [name, dense] : config.dense) {
    ALMAGEST_TRY_VOID(DeriveDense(name, graph, quantization, indexing_kb, dense));
  }
  for (const auto& [name, sparse] : config.sparse) {
    ALMAGEST_TRY_VOID(CheckSparse(name, sparse));
  }
  return {};
}

}  // namespace almagest

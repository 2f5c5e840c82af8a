// What a collection is made of, as its creator configured it. Stored in the catalog.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "engine/payload/payload_index_type.h"
#include "engine/strict_mode.h"
#include "engine/types.h"
#include "storage/key_value_store.h"

namespace almagest {

// Parameters of the graphs (Malkov & Yashunin 2020; names of the paper in brackets). Code graphs
// have one level of 2 * degree links, 32 at most, and look for 3 * build_beam candidates per row.
struct HnswConfig {
  uint32_t degree = 16;       // [M] REST `m`, range 4..128; 0: no graph, every search is exact.
  uint32_t build_beam = 100;  // [efConstruction] REST `ef_construct`, range 4..4096.
  // Segments whose rows of this field take fewer kilobytes are scanned exactly.
  uint64_t full_scan_threshold_kb = 10'000;
  uint32_t build_threads = 0;  // REST `max_indexing_threads`; 0: as many as there are cores.
};

// Where the graphs of sealed segments are read from.
enum class GraphPlacement : uint8_t {
  // The mapped file at first; a copy in huge pages, made in the background, where memory is plenty.
  kAutomatic = 0,
  kPinned = 1,  // The copy, made when the file is opened. REST `always_ram`, `memory: pinned`.
  kMapped = 2,  // The mapped file. REST `on_disk`, `memory: cold`.
};

// How sealed segments keep the rows that searches read (REST `quantization_config`). Exact rows are
// kept beside rounded ones, in mapped pages that only exact search and rescoring touch.
struct Quantization {
  enum class Kind : uint8_t {
    kDefault,  // Half-precision rows, rescored; bytes where those are exact.
    kNone,     // Float rows. REST "Disabled".
    kScalar,   // Rows rounded to bytes, rescored.
    kBinary,   // As kDefault, with codes of `code_share` bits per dimension.
  };
  Kind kind = Kind::kDefault;
  double quantile = 1.0;    // kScalar: share of the coordinates that is not clamped, 0.5..1.
  double code_share = 1.0;  // kBinary: 1, 1.5 or 2.
  GraphPlacement placement = GraphPlacement::kAutomatic;
  bool operator==(const Quantization&) const = default;
};

struct DenseVectorConfig {
  uint32_t dimension = 0;  // 1..65'536
  Distance distance = Distance::kCosine;
  HnswConfig hnsw = {};
  Quantization quantization = {};
  Datatype datatype = Datatype::kFloat32;
  // What the field's creator set in REST's words (a JSON object): shown as it was given. `hnsw` and
  // `quantization` follow from it and from the collection's own settings_json.
  std::string settings_json = "{}";
  // A point has a MultiVector under this name, compared by MaxSim (engine/index/max_sim.h). Exact:
  // hnsw.degree is 0, and there is nothing to quantize.
  bool multi = false;
};

struct SparseVectorConfig {
  // Multiply query weights by idf = ln((N - df + 0.5) / (df + 0.5) + 1) over the collection.
  bool idf = false;
  std::string settings_json = "{}";  // As of DenseVectorConfig.
};

struct OptimizerConfig {
  // The growing segment is sealed at this many rows (REST `almagest.seal_rows`), or when it has
  // been idle with fewer (idle_seal_rows).
  uint32_t seal_rows = 10'000;
  // Sealed segments are merged while there are more than this many; range 1..64.
  uint32_t segments_max = 4;
  // No merge makes a segment of more rows than this.
  uint32_t merged_rows_max = 1'000'000;
  // A segment is rewritten when this fraction of its rows is deleted; REST `deleted_threshold`.
  double deleted_fraction_max = 0.2;
  // No segment of fewer rows is rewritten for that; REST `vacuum_min_vector_number`.
  uint32_t vacuum_rows_min = 0;
  // An idle growing segment of this many rows is sealed; 0: one tenth of seal_rows.
  uint32_t idle_seal_rows = 0;
  bool enabled = true;  // REST `max_optimization_threads` of 0: segments stay as they are.
};

struct CollectionConfig {
  // By vector name; "" is the unnamed vector. A name is dense (multi-vectors included) or sparse,
  // not both.
  std::map<std::string, DenseVectorConfig> dense;
  std::map<std::string, SparseVectorConfig> sparse;
  OptimizerConfig optimizer;
  // What an acknowledged write survives by default (a request may ask for more or less).
  Durability durability = Durability::kSync;
  // By payload path.
  std::map<std::string, PayloadIndexConfig> payload_indexes;
  StrictModeConfig strict_mode;
  std::string metadata_json = "{}";  // The creator's own, canonical JSON object.
  std::string settings_json = "{}";  // As of DenseVectorConfig, for the collection as a whole.
  // Ids of the vectors by name, once one was added or removed; empty: numbered in name order, dense
  // ones first. The collection's own: no parser sets it.
  std::map<std::string, FieldId> field_ids;
};

// Limits that hold for every collection.
inline constexpr uint32_t kDimensionMax = 65'536;
inline constexpr size_t kVectorFieldsMax = 64;
inline constexpr size_t kNameBytesMax = 255;

// kOutOfRange naming field, value and limit when something in `config` breaks its range.
Result<> ValidateConfig(const CollectionConfig& config);
// Letters, digits, '_', '-', '.', other printable bytes except / \ : * ? " < > | and control
// characters; not "." or ".."; 1..255 bytes.
Result<> ValidateCollectionName(std::string_view name);

// Config <-> JSON text as stored in the catalog (round trip exact).
std::string ConfigToJson(const CollectionConfig& config);
Result<CollectionConfig> ConfigFromJson(std::string_view json);

}  // namespace almagest

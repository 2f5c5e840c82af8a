// One collection: its points, segments, payload indexes and adapter versions.
//
// RocksDB is the truth: a write is acknowledged when its one WriteBatch is in the write-ahead log;
// segments and indexes are derived and can be rebuilt at any time (recovery.h). Writes are applied
// one at a time under a writer mutex; searches take the current CollectionView and never wait for
// writers or for the optimizer.
//
// Thread safety: every public function may be called from any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/collection/collection_view.h"
#include "engine/config.h"
#include "engine/payload/filter_evaluator.h"
#include "engine/query.h"
#include "engine/write.h"
#include "storage/key_value_store.h"

namespace almagest {

struct CollectionField;  // field_table.h

struct SegmentInfo {
  uint64_t id = 0;
  bool sealed = false;
  uint32_t rows = 0;
  uint32_t deleted = 0;
  uint64_t bytes_on_disk = 0;
  uint64_t bytes_in_memory = 0;
  std::map<std::string, VersionId> versions;  // By dense vector name.
};

struct CollectionInfo {
  uint64_t points = 0;
  uint64_t indexed_vectors = 0;  // Rows in sealed segments that have a graph.
  bool optimizing = false;       // The optimizer has work left (REST status "yellow").
  std::vector<SegmentInfo> segments;
  std::map<std::string, uint64_t> payload_index_points;  // Points per payload index.
  SequenceNumber last_operation = 0;
};

struct ReembeddingProgress {
  VersionId target = 0;
  uint64_t rows_done = 0;  // Live rows whose segment is at the active document map.
  uint64_t rows_total = 0;
  double eta_seconds = 0;  // 0 when done or unknown.
  bool paused = false;
};

inline constexpr size_t kBridgesMax = 16;  // Of one collection.

// How much opening a collection does before it serves (deferred_opening.h); the rest follows while
// it does. Tests set them low.
struct OpeningLimits {
  // Of segment files, and of the point table: these many bytes are checked at once.
  uint64_t checked_bytes = uint64_t{64} << 20;
  // Up to so many points, payload indexes are built at once.
  uint64_t indexed_points = 10'000;
};

class Bridge;         // bridge.h
struct BridgeRecord;  // bridge.h

class Collection {
 public:
  // Opens (or creates, when storage holds no point of it) the collection: maps its segment files
  // under `directory`, drops damaged ones with a log line, rebuilds what is missing from storage.
  static Result<std::unique_ptr<Collection>> Open(uint32_t collection_id, std::string name,
                                                  CollectionConfig config, KeyValueStore& store,
                                                  std::filesystem::path directory,
                                                  const OpeningLimits& limits = {});
  ~Collection();

  uint32_t id() const;
  std::string name() const;
  CollectionConfig config() const;  // A copy: payload indexes and parameters change live.
  bool has_strict_mode() const;     // config().strict_mode.active(), without the copy.
  CollectionInfo Info() const;

  // ---- Writes -------------------------------------------------------------------------------
  // All operations of one request, in order, as ONE atomic WriteBatch: later ones see the effect
  // of earlier ones; on any error nothing is written. kResourceExhausted when what it adds would
  // pass the process's memory limit (memory_limit.h); deletions are always let in. Returns one
  // result per operation. Validates vector names, dimensions and finiteness first
  // (kInvalidArgument, kOutOfRange), also normalises vectors of cosine fields (a zero vector stays;
  // a length within 1e-6 of 1 is left).
  Result<std::vector<WriteResult>> Write(std::span<const WriteOperation> operations,
                                         std::optional<Durability> durability = {});
  // Builds the index from stored payloads, a batch at a time; searches and writes go on meanwhile,
  // and from the return on use the index. One of the same configuration stays as it is.
  Result<WriteResult> CreatePayloadIndex(const std::string& key, const PayloadIndexConfig& config);
  Result<WriteResult> DropPayloadIndex(const std::string& key);
  // Adds a vector that no point has yet, or removes one with all that belongs to it (base vectors,
  // adapter versions), live: one atomic write, to which `persist` adds the changed config. Searches
  // that are under way may still see a removed one. kAlreadyExists for a name that is taken by
  // another kind of vector (the same again is fine), kInvalidArgument for an unknown name,
  // kResourceExhausted when all kVectorFieldsMax ids were used once.
  using NewVector = std::variant<DenseVectorConfig, SparseVectorConfig>;
  using PersistConfig = std::function<void(const CollectionConfig& changed, WriteBatch* batch)>;
  Result<WriteResult> AddVector(const std::string& name, const NewVector& added,
                                const PersistConfig& persist);
  Result<WriteResult> RemoveVector(const std::string& name, const PersistConfig& persist);
  // Changes parameters (hnsw, optimizer, durability, metadata) live; vector dimensions, distances
  // and names cannot change (kInvalidArgument).
  Result<> UpdateConfig(const std::function<Result<>(CollectionConfig&)>& change);

  // ---- Read access for engine/search --------------------------------------------------------
  std::shared_ptr<const CollectionView> view() const;
  struct Field {
    FieldId id = 0;
    bool is_sparse = false;
    DenseVectorConfig dense;  // Of multi-vectors too.
    SparseVectorConfig sparse;
    bool is_multi() const { return !is_sparse && dense.multi; }
  };
  // kInvalidArgument "Not existing vector name error: x".
  Result<Field> FindField(const std::string& vector_name) const;
  // The same without a copy or a lock, for fields with one dense vector per point: nullptr for any
  // other name. Valid as long as the collection, also once the field is removed.
  const CollectionField* FindDenseField(const std::string& vector_name) const;
  // Of the view that view() would give now (collection_view.h). Takes no lock.
  uint64_t newest_growing() const;
  uint64_t point_count() const;
  // kNoSlot if absent.
  Slot FindSlot(const PointId& id) const;
  struct PointState {
    PointId id;
    SequenceNumber version = 0;
  };
  // nullopt for a deleted point: searches drop such hits.
  std::optional<PointState> FindPoint(Slot slot) const;
  // FindPoint of each, under one lock; in order. `points` has as many places as there are slots.
  void FindPoints(std::span<const Slot> slots, std::span<std::optional<PointState>> points) const;
  // Exact set of live slots that match (filter_evaluator.h).
  Result<SlotSet> MatchingSlots(const Filter& filter, const Deadline& deadline) const;
  // JSON text per slot, "{}" where there is none; in order.
  Result<std::vector<std::string>> Payloads(std::span<const Slot> slots) const;
  // Base vectors of one point: all, or those of the given names.
  Result<NamedVectors> Vectors(Slot slot, const VectorSelector& selector) const;
  // Base vectors of a dense field for many slots, [slots, dimension] row-major; `present` tells
  // which have one (others are zeros).
  Result<std::vector<float>> BaseVectors(FieldId field, std::span<const Slot> slots,
                                         std::vector<bool>* present) const;
  // Live points in id order from `first` (inclusive; nullopt: the beginning) until `visit` says
  // false.
  Result<> VisitPoints(const std::optional<PointId>& first,
                       const std::function<bool(const PointId&, Slot)>& visit) const;
  // Values of an ordered payload index, ascending or descending from `start` (inclusive), as
  // (value, slot) pairs; kInvalidArgument when the key has no integer, float or datetime index.
  Result<> VisitOrdered(const std::string& key, bool descending, std::optional<double> start,
                        const std::function<bool(double value, Slot)>& visit) const;
  // idf = ln((N - df + 0.5) / (df + 0.5) + 1) of each term, over live points of the field.
  std::vector<float> Idf(FieldId field, std::span<const uint32_t> terms) const;

  // ---- Adapter versions (one set per dense field) -------------------------------------------
  Result<std::shared_ptr<const VersionSet>> Versions(const std::string& vector_name) const;
  // Stores a version as candidate or rejected and returns its id (1, 2, ...). `adapter` holds the
  // tensors of docs/job-folder.md, validated here (shapes, finite, invertible document map).
  Result<VersionId> AddVersion(const std::string& vector_name, AdapterVersion version,
                               const std::string& adapter_safetensors);
  // Computes and sets the row factors that searching as `version` needs, for every segment
  // (bounded memory, oneDNN in batches; about 10 ms per 1,000 rows of 512 dimensions). They stay as
  // long as there is room for spare ones (segment.h).
  // Const: factors are a cache. A search that meets a segment without them makes its own.
  Result<> PrepareVersion(const std::string& vector_name, VersionId version) const;
  // Prepares it, to stay, then one atomic manifest write: from then on queries go through `version`
  // and new rows are written by it; the optimizer re-embeds the rest. Also used for rollback and
  // pin. kNotFound, kFailedPrecondition (rejected versions need `force`).
  Result<> ActivateVersion(const std::string& vector_name, VersionId version, bool force = false);
  // Activates the version that was active before the current one.
  Result<VersionId> RollbackVersion(const std::string& vector_name);
  Result<ReembeddingProgress> Reembedding(const std::string& vector_name) const;
  // Keeps new adapter versions searchable without rewriting segments until resumed.
  void PauseReembedding(bool paused);

  // ---- Bridges to an older embedding model (bridge.h) ----------------------------------------
  // Ascending by id.
  std::vector<std::shared_ptr<const Bridge>> Bridges() const;
  // Stores a bridge as a candidate, or as refused, and returns its id. `safetensors` is checked as
  // Bridge::Parse says. kNotFound when a field is gone, kResourceExhausted beyond kBridgesMax.
  Result<uint64_t> AddBridge(const BridgeRecord& record, const std::string& safetensors);
  // From then on searches of its `from` field go through it; the one that was active for that field
  // is a candidate again. kNotFound, kFailedPrecondition (refused ones need `force`).
  Result<> ActivateBridge(uint64_t id, bool force = false);
  // Searches see only what has the vector again. kNotFound.
  Result<> DeactivateBridge(uint64_t id);
  Result<> RemoveBridge(uint64_t id);

  // ---- Optimizer ----------------------------------------------------------------------------
  // Does at most one step (seal, merge, vacuum, re-embed or drop) and says whether it did any.
  // Called by the database's optimizer thread; tests call it directly. `throttle` is called often
  // during a step with the CPU seconds spent since the last call; returning false aborts the step,
  // which leaves no trace.
  Result<bool> OptimizeOnce(const std::function<bool(double cpu_seconds)>& throttle);
  // Writes down the point table now, which OptimizeOnce does when enough has changed: the next
  // opening has little to replay (docs/decisions/0006-restart.md).
  Result<> Checkpoint();
  // Until what opening left for later is done: files checked, payload indexes built.
  void WaitUntilOpened() const;
  // Removes all files; the store's records are removed by the database. No other call may follow.
  Result<> RemoveFiles();

 private:
  struct State;
  explicit Collection(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace almagest

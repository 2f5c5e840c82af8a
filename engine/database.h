// The server's data: opens the store, the collections, the optimizer and the learning loop. The
// only engine type that http holds.
//
// Thread safety: every public function may be called from any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/alias_table.h"
#include "engine/collection/collection.h"
#include "engine/config.h"
#include "engine/learning/learning.h"
#include "engine/snapshot/snapshot_folder.h"
#include "engine/text/inference.h"
#include "storage/key_value_store.h"

namespace almagest {

struct DatabaseOptions {
  std::filesystem::path data_directory;
  std::filesystem::path model_directory;    // use-lite.* live here; may be absent.
  std::filesystem::path trainer_executable; // almagest-trainer; checked when a job starts.
  double optimizer_cpu_share = 0.5;         // Of one core while searches run; 0.05..1.
  unsigned trainer_threads = 2;
  unsigned encoder_threads = 2;
  uint64_t block_cache_bytes = 64u << 20;
  // Of the process and its trainer together (storage/base/memory_limit.h); 0: none. Caches shrink
  // to fit, writes beyond it get kResourceExhausted, merges wait.
  uint64_t memory_limit_bytes = 0;
  bool optimizer_enabled = true;            // Tests switch it off and call OptimizeOnce.
};

class Database {
 public:
  // kFailedPrecondition when another process holds the folder; kCorruption names what is damaged.
  // A collection whose records cannot be read is quarantined (listed, kUnavailable) and the rest
  // serve.
  static Result<std::unique_ptr<Database>> Open(const DatabaseOptions& options);
  // Stops the optimizer and running jobs, syncs the store.
  ~Database();

  Result<> CreateCollection(const std::string& name, const CollectionConfig& config);
  // False when there was none.
  Result<bool> DropCollection(const std::string& name);
  // By name or alias. kNotFound "Collection `x` doesn't exist!"; shared: a drop waits for the last
  // user.
  Result<std::shared_ptr<Collection>> FindCollection(const std::string& name) const;
  // The same for those who may not wait, as FindCollection does for one that a snapshot replaces:
  // nullptr then, and where FindCollection fails.
  std::shared_ptr<Collection> FindCollectionAtOnce(const std::string& name) const;
  std::vector<std::string> CollectionNames() const;  // Ascending.
  // All of the changes or none (alias_table.h). A dropped collection takes its aliases along.
  Result<> ChangeAliases(std::span<const AliasChange> changes);
  // Alias to collection name, ascending.
  std::map<std::string, std::string> Aliases() const;
  // Persists a changed config (Collection::UpdateConfig and payload indexes go through these).
  // By name or alias.
  Result<> UpdateCollection(const std::string& name,
                            const std::function<Result<>(CollectionConfig&)>& change);
  // Collection::AddVector and RemoveVector.
  Result<WriteResult> AddVector(const std::string& name, const std::string& vector_name,
                                const Collection::NewVector& added);
  Result<WriteResult> RemoveVector(const std::string& name, const std::string& vector_name);
  Result<WriteResult> CreatePayloadIndex(const std::string& name, const std::string& key,
                                         const PayloadIndexConfig& config);
  Result<WriteResult> DropPayloadIndex(const std::string& name, const std::string& key);

  // ---- Snapshots (engine/snapshot/) ----------------------------------------------------------
  // Where they lie; lists and removes them.
  SnapshotFolder& snapshots();
  // Of a collection (by name or alias), or of everything with its aliases: as of one moment, while
  // writes go on. Takes about as long as reading all its records and writing them once.
  Result<SnapshotDescription> CreateSnapshot(const std::string& name);
  Result<SnapshotDescription> CreateStoreSnapshot();
  // Makes the collection `name` (or what this alias leads to) what the snapshot of one collection
  // says; it may be absent. All of `bytes` is verified first; then the new collection is built
  // beside the old one, and one atomic write puts it in its place. Whatever fails, or whenever the
  // process dies: the old one or the new one, whole. kInvalidArgument says what is wrong with
  // `bytes`, kUnavailable if the old one is still in use after half a minute.
  Result<> RecoverCollection(const std::string& name, std::span<const std::byte> bytes);
  // The same for all collections and aliases of a snapshot of the store, in one atomic write;
  // collections that are not in it stay. kAlreadyExists for a name that is taken, unless `force`.
  Result<> RecoverStore(std::span<const std::byte> bytes, bool force);

  Learning& learning();
  TextModels& text_models();
  const DatabaseOptions& options() const;

  struct MemoryReport {
    uint64_t store_bytes = 0;
    uint64_t segment_bytes = 0;  // In memory, not mapped.
    uint64_t mapped_bytes = 0;
  };
  MemoryReport Memory() const;

  struct State;  // database_state.h, for the files that implement this.

 private:
  explicit Database(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace almagest

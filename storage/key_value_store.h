// The seam between the engine and durable storage: ordered byte keys in column families, atomic
// batches, snapshots. Two implementations: RocksDB (rocksdb_store.h) and an in-memory one that can
// lose unsynced writes and fail on demand (memory_store.h), for tests.
//
// Thread safety: all functions may be called from any thread at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

// One per kind of record (key_layout.h says what the keys look like). The number is part of no
// format; the names are (rocksdb_store.cpp).
enum class ColumnFamily : uint8_t {
  kMeta,      // Catalog, manifests, sequence numbers.
  kPoints,    // Point id -> slot and sequence numbers.
  kVectors,   // Base vectors, exactly as given.
  kSparse,    // Sparse vectors.
  kPayload,   // JSON text of payloads.
  kFeedback,  // Feedback events.
  kLearning,  // Versions (adapters), jobs, reports.
  kChanges,   // What writes since the last checkpoint of the point table changed.
};
inline constexpr size_t kColumnFamilyCount = 8;

// What an acknowledged write survives. kSync: power loss (the write-ahead log was fsynced).
// kProcess: a crash or kill -9 of the process (the log is in the operating system's cache).
enum class Durability : uint8_t { kProcess, kSync };

// Puts and deletes that become visible and durable together or not at all. Later operations on
// the same key win.
class WriteBatch {
 public:
  enum class Kind : uint8_t { kPut, kDelete, kDeleteRange };
  struct Operation {
    Kind kind;
    ColumnFamily family;
    std::string key;    // First key of the range for kDeleteRange.
    std::string value;  // End (exclusive) of the range for kDeleteRange.
  };
  void Put(ColumnFamily family, std::string key, std::string value);
  void Delete(ColumnFamily family, std::string key);
  void DeleteRange(ColumnFamily family, std::string first, std::string limit);
  const std::vector<Operation>& operations() const { return operations_; }
  bool empty() const { return operations_.empty(); }
  size_t bytes() const { return bytes_; }  // Keys and values.

 private:
  std::vector<Operation> operations_;
  size_t bytes_ = 0;
};

// A read view fixed at one moment. Hold briefly: it keeps old data alive.
class StoreSnapshot {
 public:
  virtual ~StoreSnapshot() = default;
};

class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;

  // nullopt if absent. With a snapshot: as of that moment.
  virtual Result<std::optional<std::string>> Get(ColumnFamily family, std::string_view key,
                                                 const StoreSnapshot* snapshot = nullptr) const = 0;
  // One answer per key, in order; about 3 us per 4 KB value from cache.
  virtual Result<std::vector<std::optional<std::string>>> MultiGet(
      ColumnFamily family, std::span<const std::string> keys,
      const StoreSnapshot* snapshot = nullptr) const = 0;
  // Visits first <= key < limit in ascending byte order until `visit` returns false. An empty
  // `limit` means no upper end. The views live for the call only.
  virtual Result<> Scan(
      ColumnFamily family, std::string_view first, std::string_view limit,
      const std::function<bool(std::string_view key, std::string_view value)>& visit,
      const StoreSnapshot* snapshot = nullptr) const = 0;
  virtual std::unique_ptr<StoreSnapshot> Snapshot() const = 0;

  // Atomic. On an error nothing of the batch is visible. kStorageFull: try again when there is
  // room. Only after a failed log write does the store go read-only (kUnavailable on every later
  // write), since what reached the disk is unknown.
  virtual Result<> Write(const WriteBatch& batch, Durability durability) = 0;
  // kStorageFull if a write of so many bytes would be refused now for want of room. For work that
  // ends with a write and fills the same disk before.
  virtual Result<> CheckRoom(uint64_t /*bytes*/) const { return {}; }
  // Makes everything acknowledged so far survive power loss.
  virtual Result<> Sync() = 0;
  // A consistent copy in a new folder (hard links where possible). The folder must not exist.
  virtual Result<> Checkpoint(const std::filesystem::path& directory) = 0;
  // Bytes of memory held by caches and write buffers.
  virtual uint64_t MemoryBytes() const = 0;
};

}  // namespace almagest

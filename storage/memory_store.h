// A KeyValueStore in memory, for tests: it can fail on demand and lose what was not synced.
// Snapshots copy everything, so keep it small.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "storage/key_value_store.h"

namespace almagest {

class MemoryStore : public KeyValueStore {
 public:
  using Families = std::array<std::map<std::string, std::string>, kColumnFamilyCount>;

  MemoryStore() = default;

  Result<std::optional<std::string>> Get(ColumnFamily family, std::string_view key,
                                         const StoreSnapshot* snapshot = nullptr) const override;
  Result<std::vector<std::optional<std::string>>> MultiGet(
      ColumnFamily family, std::span<const std::string> keys,
      const StoreSnapshot* snapshot = nullptr) const override;
  // `visit` must not write to this store: it runs under the store's lock.
  Result<> Scan(ColumnFamily family, std::string_view first, std::string_view limit,
                const std::function<bool(std::string_view key, std::string_view value)>& visit,
                const StoreSnapshot* snapshot = nullptr) const override;
  std::unique_ptr<StoreSnapshot> Snapshot() const override;
  Result<> Write(const WriteBatch& batch, Durability durability) override;
  Result<> Sync() override;
  // kFailedPrecondition always: there are no files to copy.
  Result<> Checkpoint(const std::filesystem::path& directory) override;
  uint64_t MemoryBytes() const override;

  // The n-th Write or Sync from now (1 is the next) fails with `code` and changes nothing that can
  // be read; like RocksDB, the store is read-only from then on. A failed Write may still have
  // reached the disk: with `reaches_disk`, LoseUnsynced finds it.
  void FailNthWrite(uint64_t n, ErrorCode code, bool reaches_disk = false);
  // Write and Sync calls so far, failed ones included.
  uint64_t write_count() const;

  // The store as found after power loss: what was synced, and the first `surviving` batches
  // written since (a log reaches the disk in order). This object stays as it is.
  std::unique_ptr<MemoryStore> LoseUnsynced(size_t surviving = 0) const;
  // Batches written since the last sync.
  size_t unsynced_count() const;

 private:
  Result<> CountWrite();
  void MakeDurable();
  const Families& View(const StoreSnapshot* snapshot) const;

  mutable std::shared_mutex mutex_;
  Families current_;
  Families durable_;
  std::vector<WriteBatch> unsynced_;
  uint64_t write_count_ = 0;
  uint64_t failing_write_ = 0;  // 0: none.
  ErrorCode failure_ = ErrorCode::kInternal;
  bool failure_reaches_disk_ = false;
  bool read_only_ = false;
};

}  // namespace almagest

#include "storage/memory_store.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "storage/base/check.h"

namespace almagest {
namespace {

struct MemorySnapshot : StoreSnapshot {
  MemoryStore::Families families;
};

void Apply(const WriteBatch& batch, MemoryStore::Families* families) {
  for (const WriteBatch::Operation& operation : batch.operations()) {
    auto& records = (*families)[static_cast<size_t>(operation.family)];
    switch (operation.kind) {
      case WriteBatch::Kind::kPut:
        records[operation.key] = operation.value;
        break;
      case WriteBatch::Kind::kDelete:
        records.erase(operation.key);
        break;
      case WriteBatch::Kind::kDeleteRange:
        if (operation.key < operation.value) {
          records.erase(records.lower_bound(operation.key), records.lower_bound(operation.value));
        }
        break;
    }
  }
}

}  // namespace

const MemoryStore::Families& MemoryStore::View(const StoreSnapshot* snapshot) const {
  if (snapshot == nullptr) return current_;
  const auto* view = dynamic_cast<const MemorySnapshot*>(snapshot);
  ALMAGEST_CHECK(view != nullptr);
  return view->families;
}

Result<std::optional<std::string>> MemoryStore::Get(ColumnFamily family, std::string_view key,
                                                    const StoreSnapshot* snapshot) const {
  const std::shared_lock lock(mutex_);
  const auto& records = View(snapshot)[static_cast<size_t>(family)];
  const auto found = records.find(std::string(key));
  if (found == records.end()) return std::optional<std::string>();
  return std::optional<std::string>(found->second);
}

Result<std::vector<std::optional<std::string>>> MemoryStore::MultiGet(
    ColumnFamily family, std::span<const std::string> keys, const StoreSnapshot* snapshot) const {
  const std::shared_lock lock(mutex_);
  const auto& records = View(snapshot)[static_cast<size_t>(family)];
  std::vector<std::optional<std::string>> values(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto found = records.find(keys[i]);
    if (found != records.end()) values[i] = found->second;
  }
  return values;
}

Result<> MemoryStore::Scan(
    ColumnFamily family, std::string_view first, std::string_view limit,
    const std::function<bool(std::string_view key, std::string_view value)>& visit,
    const StoreSnapshot* snapshot) const {
  const std::shared_lock lock(mutex_);
  const auto& records = View(snapshot)[static_cast<size_t>(family)];
  for (auto it = records.lower_bound(std::string(first)); it != records.end(); ++it) {
    if (!limit.empty() && it->first >= limit) break;
    if (!visit(it->first, it->second)) break;
  }
  return {};
}

std::unique_ptr<StoreSnapshot> MemoryStore::Snapshot() const {
  const std::shared_lock lock(mutex_);
  auto snapshot = std::make_unique<MemorySnapshot>();
  snapshot->families = current_;
  return snapshot;
}

Result<> MemoryStore::CountWrite() {
  ++write_count_;
  if (read_only_) {
    return Fail(ErrorCode::kUnavailable,
                "the store is read-only after a failed log write: restart the server");
  }
  if (write_count_ != failing_write_) return {};
  read_only_ = true;
  return Fail(failure_, "write " + std::to_string(write_count_) + " failed on demand");
}

Result<> MemoryStore::Write(const WriteBatch& batch, Durability durability) {
  const std::unique_lock lock(mutex_);
  const bool was_read_only = read_only_;
  if (auto counted = CountWrite(); !counted) {
    if (!was_read_only && failure_reaches_disk_) unsynced_.push_back(batch);
    return counted;
  }
  Apply(batch, &current_);
  unsynced_.push_back(batch);
  if (durability == Durability::kSync) MakeDurable();
  return {};
}

Result<> MemoryStore::Sync() {
  const std::unique_lock lock(mutex_);
  ALMAGEST_TRY_VOID(CountWrite());
  MakeDurable();
  return {};
}

void MemoryStore::MakeDurable() {
  for (const WriteBatch& batch : unsynced_) Apply(batch, &durable_);
  unsynced_.clear();
}

Result<> MemoryStore::Checkpoint(const std::filesystem::path& directory) {
  return Fail(ErrorCode::kFailedPrecondition,
              "an in-memory store has no files to copy to " + directory.string());
}

uint64_t MemoryStore::MemoryBytes() const {
  const std::shared_lock lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& records : current_) {
    for (const auto& [key, value] : records) bytes += key.size() + value.size();
  }
  return bytes;
}

void MemoryStore::FailNthWrite(uint64_t n, ErrorCode code, bool reaches_disk) {
  ALMAGEST_CHECK(n > 0);
  const std::unique_lock lock(mutex_);
  failing_write_ = write_count_ + n;
  failure_ = code;
  failure_reaches_disk_ = reaches_disk;
}

uint64_t MemoryStore::write_count() const {
  const std::shared_lock lock(mutex_);
  return write_count_;
}

std::unique_ptr<MemoryStore> MemoryStore::LoseUnsynced(size_t surviving) const {
  const std::shared_lock lock(mutex_);
  auto store = std::make_unique<MemoryStore>();
  store->durable_ = durable_;
  const size_t count = std::min(surviving, unsynced_.size());
  for (size_t i = 0; i < count; ++i) Apply(unsynced_[i], &store->durable_);
  store->current_ = store->durable_;
  return store;
}

size_t MemoryStore::unsynced_count() const {
  const std::shared_lock lock(mutex_);
  return unsynced_.size();
}

}  // namespace almagest

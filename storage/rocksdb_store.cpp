#include "storage/rocksdb_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <charconv>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include "storage/base/check.h"
#include "storage/base/file.h"
#include "storage/base/log.h"
#include "storage/rocksdb_options.h"

namespace almagest {
namespace {

constexpr uint64_t kFolderFormat = 2;  // 1 had no column family for changes.

tl::unexpected<Error> FailStatus(const rocksdb::Status& status, const std::string& action) {
  ErrorCode code = ErrorCode::kInternal;
  if (status.IsNoSpace()) {
    code = ErrorCode::kStorageFull;
  } else if (status.IsCorruption()) {
    code = ErrorCode::kCorruption;
  } else if (status.IsTimedOut()) {
    code = ErrorCode::kTimeout;
  } else if (status.IsShutdownInProgress() || status.IsBusy() || status.IsTryAgain()) {
    code = ErrorCode::kUnavailable;
  } else if (status.IsMemoryLimit()) {
    code = ErrorCode::kResourceExhausted;
  }
  return Fail(code, "storage cannot " + action + ": " + status.ToString());
}

// Runs `body`, which returns a Result, and turns any exception into one.
template <class Body>
auto Guarded(const char* action, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kResourceExhausted,
                std::string("storage cannot ") + action + ": out of memory");
  } catch (const std::exception& exception) {
    return Fail(ErrorCode::kInternal,
                std::string("storage cannot ") + action + ": " + exception.what());
  }
}

rocksdb::Slice AsSlice(std::string_view text) { return {text.data(), text.size()}; }

// RocksDB and its column families, closed in the right order.
struct OpenDb {
  std::optional<FileLock> lock;  // First, so that it is released last.
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  std::shared_ptr<BackgroundErrors> background_errors;
  std::atomic<bool> read_only{false};  // Since a log write failed.

  ~OpenDb() {
    if (!db) return;
    // Debian's RocksDB is built with assertions and aborts if a log that failed is synced.
    if (!read_only) {
      if (const auto status = db->SyncWAL(); !status.ok()) {
        LogWarning("storage: the log could not be synced at the end: " + status.ToString());
      }
    }
    for (auto* family : families) db->DestroyColumnFamilyHandle(family);
    if (const auto status = db->Close(); !status.ok()) {
      LogWarning("storage: closing failed: " + status.ToString());
    }
  }
};

class RocksDbSnapshot : public StoreSnapshot {
 public:
  explicit RocksDbSnapshot(std::shared_ptr<OpenDb> open)
      : open_(std::move(open)), snapshot_(open_->db->GetSnapshot()) {}
  RocksDbSnapshot(const RocksDbSnapshot&) = delete;
  RocksDbSnapshot& operator=(const RocksDbSnapshot&) = delete;
  ~RocksDbSnapshot() override { open_->db->ReleaseSnapshot(snapshot_); }
  const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  std::shared_ptr<OpenDb> open_;
  const rocksdb::Snapshot* snapshot_;
};

rocksdb::ReadOptions ReadOptionsOf(const StoreSnapshot* snapshot) {
  rocksdb::ReadOptions options;
  if (snapshot != nullptr) {
    const auto* ours = dynamic_cast<const RocksDbSnapshot*>(snapshot);
    ALMAGEST_CHECK(ours != nullptr);
    options.snapshot = ours->get();
  }
  return options;
}

class RocksDbStore : public KeyValueStore {
 public:
  RocksDbStore(std::shared_ptr<OpenDb> open, std::shared_ptr<rocksdb::Cache> cache,
               std::filesystem::path directory, const RocksDbOptions& options)
      : open_(std::move(open)),
        cache_(std::move(cache)),
        directory_(std::move(directory)),
        free_bytes_min_(options.free_bytes_min),
        disk_space_(options.disk_space) {}

  Result<std::optional<std::string>> Get(ColumnFamily family, std::string_view key,
                                         const StoreSnapshot* snapshot) const override {
    return Guarded("read", [&]() -> Result<std::optional<std::string>> {
      std::string value;
      const auto status = db().Get(ReadOptionsOf(snapshot), Family(family), AsSlice(key), &value);
      if (status.IsNotFound()) return std::optional<std::string>();
      if (!status.ok()) return FailStatus(status, "read");
      return std::optional<std::string>(std::move(value));
    });
  }

  Result<std::vector<std::optional<std::string>>> MultiGet(
      ColumnFamily family, std::span<const std::string> keys,
      const StoreSnapshot* snapshot) const override {
    using Values = std::vector<std::optional<std::string>>;
    return Guarded("read", [&]() -> Result<Values> {
      const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
      std::vector<rocksdb::PinnableSlice> found(keys.size());
      std::vector<rocksdb::Status> statuses(keys.size());
      db().MultiGet(ReadOptionsOf(snapshot), Family(family), keys.size(), slices.data(),
                    found.data(), statuses.data());
      Values values(keys.size());
      for (size_t i = 0; i < keys.size(); ++i) {
        if (statuses[i].ok()) {
          values[i].emplace(found[i].data(), found[i].size());
        } else if (!statuses[i].IsNotFound()) {
          return FailStatus(statuses[i], "read");
        }
      }
      return values;
    });
  }

  Result<> Scan(ColumnFamily family, std::string_view first, std::string_view limit,
                const std::function<bool(std::string_view, std::string_view)>& visit,
                const StoreSnapshot* snapshot) const override {
    return Guarded("scan", [&]() -> Result<> {
      rocksdb::ReadOptions options = ReadOptionsOf(snapshot);
      options.fill_cache = false;  // One long scan would wash out what single reads need.
      const rocksdb::Slice end = AsSlice(limit);
      if (!limit.empty()) options.iterate_upper_bound = &end;
      const std::unique_ptr<rocksdb::Iterator> it(db().NewIterator(options, Family(family)));
      for (it->Seek(AsSlice(first)); it->Valid(); it->Next()) {
        if (!visit(it->key().ToStringView(), it->value().ToStringView())) return {};
      }
      if (!it->status().ok()) return FailStatus(it->status(), "scan");
      return {};
    });
  }

  std::unique_ptr<StoreSnapshot> Snapshot() const override {
    return std::make_unique<RocksDbSnapshot>(open_);
  }

  Result<> Write(const WriteBatch& batch, Durability durability) override {
    ALMAGEST_TRY_VOID(CheckWritable());
    ALMAGEST_TRY_VOID(CheckRoom(batch.bytes()));
    return Guarded("write", [&]() -> Result<> {
      constexpr size_t kOperationBytes = 16;  // Tags and lengths, at most about this.
      rocksdb::WriteBatch converted(batch.bytes() + batch.operations().size() * kOperationBytes);
      for (const WriteBatch::Operation& operation : batch.operations()) {
        auto* family = Family(operation.family);
        rocksdb::Status status;
        switch (operation.kind) {
          case WriteBatch::Kind::kPut:
            status = converted.Put(family, operation.key, operation.value);
            break;
          case WriteBatch::Kind::kDelete:
            status = converted.Delete(family, operation.key);
            break;
          case WriteBatch::Kind::kDeleteRange:
            // RocksDB rejects the whole batch for a range that runs backwards.
            if (operation.key < operation.value) {
              status = converted.DeleteRange(family, operation.key, operation.value);
            }
            break;
        }
        if (!status.ok()) return FailStatus(status, "prepare a write");
      }
      rocksdb::WriteOptions options;
      options.sync = durability == Durability::kSync;
      return Checked(db().Write(options, &converted), "write");
    });
  }

  // Refuses a write while nothing has failed yet: after a failed log write only a restart helps,
  // but this ends by itself when there is room again. The bytes are needed twice, by the log and by
  // the flush. A file system that cannot tell is taken to have room. About a microsecond.
  Result<> CheckRoom(uint64_t bytes) const override {
    std::error_code error;
    const auto space =
        disk_space_ ? disk_space_(directory_) : std::filesystem::space(directory_, error);
    const uint64_t needed = std::min<uint64_t>(free_bytes_min_, space.capacity / 2) + 2 * bytes;
    if (error || space.available >= needed) return {};
    return Fail(ErrorCode::kStorageFull,
                "the disk of the data folder is full: a write of " + std::to_string(bytes) +
                    " bytes needs " + std::to_string(needed) + " bytes free, there are " +
                    std::to_string(space.available) + "; searches go on, free space and try again");
  }

  Result<> Sync() override {
    ALMAGEST_TRY_VOID(CheckWritable());
    return Guarded("sync", [&]() -> Result<> { return Checked(db().SyncWAL(), "sync"); });
  }

  Result<> Checkpoint(const std::filesystem::path& directory) override {
    return Guarded("copy", [&]() -> Result<> {
      if (std::filesystem::exists(directory)) {
        return Fail(ErrorCode::kAlreadyExists,
                    "the folder " + directory.string() + " already exists");
      }
      std::filesystem::create_directories(directory);
      auto copied = CopyInto(directory);
      std::error_code ignored;
      if (!copied) std::filesystem::remove_all(directory, ignored);
      return copied;
    });
  }

  uint64_t MemoryBytes() const override {
    uint64_t total = cache_->GetUsage();
    for (const char* name :
         {"rocksdb.cur-size-all-mem-tables", "rocksdb.estimate-table-readers-mem"}) {
      uint64_t bytes = 0;
      if (open_->db->GetAggregatedIntProperty(name, &bytes)) total += bytes;
    }
    return total;
  }

 private:
  rocksdb::DB& db() const { return *open_->db; }
  rocksdb::ColumnFamilyHandle* Family(ColumnFamily family) const {
    return open_->families[static_cast<size_t>(family)];
  }

  Result<> CheckWritable() const {
    if (!open_->read_only) return {};
    const std::lock_guard lock(failure_mutex_);
    return Fail(ErrorCode::kUnavailable,
                "storage is read-only after a failed write (" + failure_ +
                    "): free space or repair the disk, then restart the server");
  }

  // What reached the disk is unknown after a failed log write, so nothing may follow it.
  Result<> Checked(const rocksdb::Status& status, const char* action) {
    if (status.ok()) return {};
    if (open_->background_errors->waits_for_room()) {
      return Fail(ErrorCode::kStorageFull,
                  "the disk of the data folder is full: " + status.ToString() +
                      "; searches go on, writes do once there is room");
    }
    {
      const std::lock_guard lock(failure_mutex_);
      if (failure_.empty()) failure_ = status.ToString();
    }
    open_->read_only = true;
    LogError(std::string("storage: ") + action +
             " failed, read-only from now on: " + status.ToString());
    return FailStatus(status, action);
  }

  Result<> CopyInto(const std::filesystem::path& directory) {
    rocksdb::Checkpoint* made = nullptr;
    auto status = rocksdb::Checkpoint::Create(&db(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    if (status.ok()) status = checkpoint->CreateCheckpoint((directory / "rocksdb").string());
    if (!status.ok()) return FailStatus(status, "copy");
    return WriteFileAtomically(directory / "VERSION", std::to_string(kFolderFormat) + "\n");
  }

  std::shared_ptr<OpenDb> open_;
  std::shared_ptr<rocksdb::Cache> cache_;
  const std::filesystem::path directory_;
  const uint64_t free_bytes_min_;
  const decltype(RocksDbOptions::disk_space) disk_space_;
  mutable std::mutex failure_mutex_;
  std::string failure_;
};

// Reads VERSION, or writes it into a folder that is new.
Result<> CheckFolderFormat(const std::filesystem::path& directory) {
  const auto path = directory / "VERSION";
  const auto text = ReadFile(path);
  if (!text && text.error().code != ErrorCode::kNotFound) return Fail(text.error());
  if (!text) {
    if (std::filesystem::exists(directory / "rocksdb" / "CURRENT")) {
      return Fail(ErrorCode::kCorruption,
                  "the data folder " + directory.string() + " has records but no VERSION file");
    }
    return WriteFileAtomically(path, std::to_string(kFolderFormat) + "\n");
  }
  uint64_t format = 0;
  const char* end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, format);
  if (parsed.ec != std::errc() || format == 0 || std::string_view(parsed.ptr, end) != "\n") {
    return Fail(ErrorCode::kCorruption, path.string() + " does not hold a format number");
  }
  if (format > kFolderFormat) {
    return Fail(ErrorCode::kFailedPrecondition,
                "the data folder " + directory.string() + " has format " + std::to_string(format) +
                    ", this program reads up to " + std::to_string(kFolderFormat) +
                    ": start the newer program that wrote it");
  }
  // Opening makes what an older folder lacks; a program of that format could not read it then.
  if (format < kFolderFormat) {
    return WriteFileAtomically(path, std::to_string(kFolderFormat) + "\n");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<KeyValueStore>> OpenRocksDbStore(const std::filesystem::path& directory,
                                                        const RocksDbOptions& options) {
  return Guarded("open", [&]() -> Result<std::unique_ptr<KeyValueStore>> {
    std::error_code error;
    std::filesystem::create_directories(directory / "rocksdb", error);
    if (error) {
      return Fail(ErrorCode::kFailedPrecondition,
                  "cannot create the data folder " + directory.string() + ": " + error.message());
    }
    auto lock = FileLock::Acquire(directory / "LOCK");
    if (!lock && lock.error().code == ErrorCode::kFailedPrecondition) {
      return Fail(ErrorCode::kFailedPrecondition,
                  "the data folder " + directory.string() + " is in use by another server");
    }
    if (!lock) return Fail(std::move(lock).error());
    ALMAGEST_TRY_VOID(CheckFolderFormat(directory));

    auto cache = rocksdb::NewLRUCache(std::max(options.block_cache_bytes, size_t{1} << 20),
                                      /*num_shard_bits=*/4);
    // RocksDB insists on a family named "default"; it stays empty.
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (size_t i = 0; i < kColumnFamilyCount; ++i) {
      const auto family = static_cast<ColumnFamily>(i);
      families.emplace_back(ColumnFamilyName(family), MakeFamilyOptions(family, options, cache));
    }
    families.emplace_back(rocksdb::kDefaultColumnFamilyName,
                          MakeFamilyOptions(ColumnFamily::kMeta, options, cache));
    auto open = std::make_shared<OpenDb>();
    open->lock.emplace(std::move(*lock));
    open->background_errors = std::make_shared<BackgroundErrors>();
    rocksdb::DBOptions db_options = MakeDbOptions(options);
    db_options.listeners.push_back(open->background_errors);
    rocksdb::DB* db = nullptr;
    const auto status = rocksdb::DB::Open(db_options, (directory / "rocksdb").string(), families,
                                          &open->families, &db);
    if (!status.ok()) return FailStatus(status, "open " + directory.string());
    open->db.reset(db);
    return std::make_unique<RocksDbStore>(std::move(open), std::move(cache), directory, options);
  });
}

}  // namespace almagest

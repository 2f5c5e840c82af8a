// The KeyValueStore that keeps Almagest's truth: RocksDB, one column family per kind of record.
//
// A data folder holds VERSION (the format, a number), LOCK (one server at a time) and rocksdb/.
// Writes go to the write-ahead log before they are answered; concurrent ones share one log write
// and one fsync (RocksDB's group commit). After a crash the log is replayed up to the first
// damaged record (point-in-time recovery).
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>

#include "storage/base/result.h"
#include "storage/key_value_store.h"

namespace almagest {

struct RocksDbOptions {
  // Blocks, indexes and filters of tables that were read. Filled as needed. At least 1 MiB.
  size_t block_cache_bytes = size_t{64} << 20;
  // Memory of recent writes per column family, and in all; larger means fewer, larger tables.
  size_t write_buffer_bytes = size_t{32} << 20;
  size_t total_write_buffer_bytes = size_t{96} << 20;
  // The log is cut by flushing when it grows beyond this; replaying it bounds the restart time.
  size_t log_bytes_max = size_t{128} << 20;
  // Writes are refused (kStorageFull) while the disk has less free than this (or half of the disk,
  // if that is less) and twice the write's bytes: what was acknowledged can still be flushed,
  // and nothing has failed when there is room again.
  uint64_t free_bytes_min = uint64_t{64} << 20;
  // What the disk says of itself; tests put their own in. Empty: asks the file system.
  std::function<std::filesystem::space_info(const std::filesystem::path&)> disk_space;
  // Threads that flush and compact.
  int background_threads = 2;
};

// Opens the folder, or creates it and its parents. Errors: kFailedPrecondition (in use by another
// process, or a newer format), kCorruption (damaged beyond the log's tail), kStorageFull.
Result<std::unique_ptr<KeyValueStore>> OpenRocksDbStore(const std::filesystem::path& directory,
                                                        const RocksDbOptions& options = {});

}  // namespace almagest

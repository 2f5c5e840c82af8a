#include "storage/rocksdb_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "storage/base/log.h"

namespace almagest {
namespace {

// RocksDB's warnings go to our log. Its own LOG file must not be: Debian's build has assertions
// on and aborts the process at the first line after a failed write to it, that is on a full disk.
class WarningLogger : public rocksdb::Logger {
 public:
  WarningLogger() : Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
  using Logger::Logv;
  void LogHeader(const char*, va_list) override {}
  void Logv(const char*, va_list) override {}
  void Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level < GetInfoLogLevel() || level == rocksdb::InfoLogLevel::HEADER_LEVEL) return;
    char line[512];
    std::vsnprintf(line, sizeof line, format, arguments);
    std::string_view text = line;
    while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
    Log(level == rocksdb::InfoLogLevel::WARN_LEVEL ? LogLevel::kWarning : LogLevel::kError,
        "RocksDB: " + std::string(text));
  }
};

}  // namespace

const char* ColumnFamilyName(ColumnFamily family) {
  switch (family) {
    case ColumnFamily::kMeta:
      return "meta";
    case ColumnFamily::kPoints:
      return "points";
    case ColumnFamily::kVectors:
      return "vectors";
    case ColumnFamily::kSparse:
      return "sparse";
    case ColumnFamily::kPayload:
      return "payload";
    case ColumnFamily::kFeedback:
      return "feedback";
    case ColumnFamily::kLearning:
      return "learning";
    case ColumnFamily::kChanges:
      return "changes";
  }
  return "";
}

void BackgroundErrors::OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                                         rocksdb::Status* status) {
  using Reason = rocksdb::BackgroundErrorReason;
  const std::lock_guard lock(mutex_);
  const std::string text = status->ToString();
  if (reason == Reason::kWriteCallback || reason == Reason::kMemTable) {
    // Writes that were refused for an error of before are told of with that error.
    if (text != waiting_for_) log_failed_ = true;
  } else if (status->IsNoSpace()) {
    waiting_for_ = text;
  }
}

void BackgroundErrors::OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) {
  if (!info.new_bg_error.ok()) return;
  const std::lock_guard lock(mutex_);
  waiting_for_.clear();
  LogInfo("storage: there is room on the disk again, writes go on");
}

bool BackgroundErrors::waits_for_room() const {
  const std::lock_guard lock(mutex_);
  return !waiting_for_.empty() && !log_failed_;
}

rocksdb::DBOptions MakeDbOptions(const RocksDbOptions& options) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  db.recycle_log_file_num = 0;  // Recycled logs cannot tell a torn tail from old records.
  db.max_total_wal_size = options.log_bytes_max;
  // What a start replays stays in memory and in its log: writing tables first would take as long
  // again before the first answer.
  db.avoid_flush_during_recovery = true;
  db.db_write_buffer_size = options.total_write_buffer_bytes;
  db.max_background_jobs = std::max(1, options.background_threads);
  db.enable_pipelined_write = true;
  db.bytes_per_sync = 1 << 20;  // Spreads writeback, so that one fsync does not wait for all.
  db.wal_bytes_per_sync = 1 << 20;
  db.max_open_files = 512;
  db.manifest_preallocation_size = 64 << 10;
  db.info_log = std::make_shared<WarningLogger>();
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  return db;
}

rocksdb::ColumnFamilyOptions MakeFamilyOptions(ColumnFamily family, const RocksDbOptions& options,
                                               const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions settings;
  settings.write_buffer_size = options.write_buffer_bytes;
  settings.max_write_buffer_number = 3;
  settings.level_compaction_dynamic_level_bytes = true;
  // Vectors are as good as random bits; text compresses to about a third.
  const bool is_text = family == ColumnFamily::kPayload || family == ColumnFamily::kFeedback ||
                       family == ColumnFamily::kLearning || family == ColumnFamily::kMeta;
  settings.compression = is_text ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 16 << 10;
  table.format_version = 5;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewRibbonFilterPolicy(10));
  settings.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return settings;
}

}  // namespace almagest

// How RocksDB is set up, apart from how it is used. Included by rocksdb_store.cpp only.
#pragma once

#include <rocksdb/listener.h>
#include <rocksdb/options.h>

#include <memory>
#include <mutex>
#include <string>

#include "storage/key_value_store.h"
#include "storage/rocksdb_store.h"

namespace almagest {

// The name on disk: part of the format.
const char* ColumnFamilyName(ColumnFamily family);

// What RocksDB's own threads failed at. While a flush or a compaction has failed for want of room,
// RocksDB refuses writes before it begins them and looks every few seconds whether there is room
// again: nothing is in doubt. A failed write of the log is another matter.
class BackgroundErrors : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) override;
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override;
  bool waits_for_room() const;

 private:
  mutable std::mutex mutex_;
  std::string waiting_for_;  // The error; empty if there is none.
  bool log_failed_ = false;  // For good.
};

rocksdb::DBOptions MakeDbOptions(const RocksDbOptions& options);
rocksdb::ColumnFamilyOptions MakeFamilyOptions(ColumnFamily family, const RocksDbOptions& options,
                                               const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace almagest

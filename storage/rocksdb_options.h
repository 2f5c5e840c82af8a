// How RocksDB is set up, apart from how it is used. Included by rocksdb_store.cpp only.
#pragma once

#include <rocksdb/options.h>

#include <memory>

#include "storage/key_value_store.h"
#include "storage/rocksdb_store.h"

namespace almagest {

// The name on disk: part of the format.
const char* ColumnFamilyName(ColumnFamily family);

rocksdb::DBOptions MakeDbOptions(const RocksDbOptions& options);
rocksdb::ColumnFamilyOptions MakeFamilyOptions(ColumnFamily family, const RocksDbOptions& options,
                                               const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace almagest

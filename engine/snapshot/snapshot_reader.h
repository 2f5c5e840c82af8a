// Reads snapshot files (snapshot_writer.h has the form). The bytes may come from anywhere, so all
// of them are checked before any of them counts: frames, checksums, order, keys, records, payloads,
// and what a collection could not bear when it opens (slots given twice, a slot table out of all
// proportion to its points).
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config.h"
#include "storage/base/result.h"
#include "storage/key_value_store.h"

namespace almagest {

struct SnapshotCollection {
  std::string name;
  CollectionConfig config;
  int64_t created_at_micros = 0;
  uint64_t points = 0;
  uint64_t records = 0;
};

struct SnapshotContents {
  std::vector<SnapshotCollection> collections;  // In the order of the file; names differ.
  std::map<std::string, std::string> aliases;   // Alias to the name of one of them.
  uint64_t records = 0;
};

// Checks everything. kInvalidArgument says what is wrong and at which byte. Memory: one bit per
// slot. About 300 MB/s.
Result<SnapshotContents> VerifySnapshot(std::span<const std::byte> bytes);

// One record of a collection: the key without the collection's number.
using SnapshotVisit =
    std::function<Result<>(ColumnFamily family, std::string_view key, std::string_view value)>;
// The records of the collection at `index`, in order; for verified bytes. Stops at an error of
// `visit` and returns it.
Result<> VisitSnapshot(std::span<const std::byte> bytes, size_t index, const SnapshotVisit& visit);

}  // namespace almagest

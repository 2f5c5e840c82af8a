// A snapshot file: what storage knows of some collections at one moment, as a stream of frames.
// Derived things (segments, indexes) are left out; they are built again when it is recovered.
//
//   file    "ALMSNAP1", frames
//   frame   kind u8, length u32, checksum u64 (of the payload), payload        little-endian
//   'C'     a collection begins: JSON {name, config, created_at_micros}
//   'R'     records of it: family u8, then key length u32, value length u32, key, value, ...;
//           families in the order of their numbers, keys ascending, without the collection's number
//   'A'     aliases: JSON {alias: collection name}, for snapshots of the whole store
//   'E'     the end: JSON {collections, records}; nothing follows
//
// There are no paths in it, so that nothing in it can lead out of the data folder.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/snapshot/sha256.h"
#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/key_value_store.h"

namespace almagest {

inline constexpr std::string_view kSnapshotMagic = "ALMSNAP1";
inline constexpr size_t kSnapshotFrameHead = 1 + 4 + 8;
// What a snapshot holds records of; the numbers are part of its form.
inline constexpr ColumnFamily kSnapshotFamilies[] = {
    ColumnFamily::kMeta,    ColumnFamily::kPoints,   ColumnFamily::kVectors, ColumnFamily::kSparse,
    ColumnFamily::kPayload, ColumnFamily::kFeedback, ColumnFamily::kLearning};

// Writes one file from front to back. Not thread-safe. An object that goes before Finish removes
// its file.
class SnapshotWriter {
 public:
  // kStorageFull, kInternal naming the path.
  static Result<SnapshotWriter> Create(const std::filesystem::path& path);
  SnapshotWriter(SnapshotWriter&&) noexcept;
  ~SnapshotWriter();

  // As of `snapshot`. Jobs stay out: they belong to the server that ran them.
  Result<> AddCollection(const std::string& name, const std::string& config_json,
                         int64_t created_at_micros, CollectionId id, const KeyValueStore& store,
                         const StoreSnapshot& snapshot);
  Result<> AddAliases(const std::map<std::string, std::string>& aliases);

  struct Written {
    uint64_t bytes = 0;
    std::string sha256;
  };
  // Ends the file and syncs it.
  Result<Written> Finish();

 private:
  struct State;
  explicit SnapshotWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace almagest

// Where snapshot files lie: DATA/snapshots/collections/NAME/FILE for those of a collection,
// DATA/snapshots/store/FILE for those of the whole store, FILE.checksum (SHA-256) beside each, and
// DATA/snapshots/temporary for what is not finished, emptied at every start.
//
// A file appears under its name complete and synced, or not at all. Names that come from outside
// are compared with what is there and are never made into a path before that.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

struct SnapshotDescription {
  std::string name;
  std::string creation_time;  // "2026-11-21T11:40:00", UTC.
  uint64_t size = 0;
  std::string checksum;  // SHA-256; empty if it is not known.
};

class SnapshotFolder {
 public:
  // Creates the folders, empties the temporary one and removes checksums without a snapshot.
  static Result<> Prepare(const std::filesystem::path& root);
  explicit SnapshotFolder(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  // A path in the temporary folder that was never given before in this process.
  std::filesystem::path TemporaryPath();

  // By name, ascending. `collection` empty: of the whole store.
  Result<std::vector<SnapshotDescription>> List(const std::string& collection) const;
  // kNotFound "Snapshot x not found".
  Result<std::filesystem::path> Find(const std::string& collection, const std::string& name) const;
  Result<> Remove(const std::string& collection, const std::string& name);
  // Moves a finished file to a new name made of the collection's (or "full-snapshot") and the time.
  Result<SnapshotDescription> Publish(const std::filesystem::path& finished,
                                      const std::string& collection, const std::string& checksum);
  // The file that a `file://` URI names: inside the folder, links resolved. kBadRequest,
  // kForbidden as clients know them.
  Result<std::filesystem::path> Resolve(const std::string& uri) const;

 private:
  std::filesystem::path FolderOf(const std::string& collection) const;
  std::filesystem::path root_;
  std::atomic<uint64_t> next_{0};
};

}  // namespace almagest

// Files: whole-file reads, crash-safe replacement, read-only memory maps. POSIX errors become
// Results that name the path; ENOSPC becomes kStorageFull.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "storage/base/result.h"

namespace almagest {

// Reads the whole file. kNotFound if it is absent.
Result<std::string> ReadFile(const std::filesystem::path& path);

// Writes `path`.tmp, syncs it, renames it to `path` and syncs the folder: after a crash the old or
// the new content is there, never a mixture.
Result<> WriteFileAtomically(const std::filesystem::path& path, std::string_view content);

// fsync of a folder, so that renames and removals in it are durable.
Result<> SyncDirectory(const std::filesystem::path& directory);

// Opens, locks and holds a file until destroyed, so that two servers cannot share a data folder.
class FileLock {
 public:
  // kFailedPrecondition if another process holds the lock.
  static Result<FileLock> Acquire(const std::filesystem::path& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// A read-only shared mapping of a whole file. The bytes stay valid while the object lives, also
// when the file is unlinked. Thread-safe to read. An empty file maps to an empty span.
class MappedFile {
 public:
  MappedFile() = default;
  static Result<MappedFile> Open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Gives back the memory of mapped bytes that are not needed for now: whoever reads them again gets
// them from the file. Bytes of a MappedFile only.
void DropMappedPages(std::span<const std::byte> bytes);

}  // namespace almagest

// The container of every sealed-segment file: named sections of bytes, each with a checksum,
// aligned so that arrays inside can be used where they are mapped.
//
// Layout (little-endian):
//   0     header, 64 bytes: magic "ALMGSEC\n", u32 format version, u32 section count,
//         u64 file bytes, u64 table offset, u64 table checksum, 16 bytes 0, u64 header checksum
//   64    the sections, each starting at a multiple of 64, zeros between
//   ...   the table: per section 64 bytes (name of at most 39 bytes padded with zeros, u64 offset,
//         u64 bytes, u64 checksum)
// Checksums are XXH3 (storage/base/checksum.h); they find damage, not tampering. Whoever reads a
// section must still check what it finds there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "storage/base/file.h"
#include "storage/base/result.h"

namespace almagest {

inline constexpr uint32_t kSectionFileVersion = 2;
inline constexpr size_t kSectionNameBytesMax = 39;
inline constexpr size_t kSectionAlignment = 64;
inline constexpr uint32_t kSectionsMax = 4096;

// Reads one. Movable; spans stay valid while it (or what it was moved to) lives. Thread-safe.
class SectionFile {
 public:
  enum class Verify {
    kStructure,  // Header and table only: O(sections). For files verified before.
    kAll,        // Also the checksum of every section: reads the whole file.
  };

  // kNotFound if there is no file; kCorruption, with the reason, if it is truncated, of another
  // version, or fails a checksum.
  static Result<SectionFile> Open(const std::filesystem::path& path, Verify verify);

  bool Has(std::string_view name) const { return sections_.contains(name); }
  // kCorruption if there is no such section: a reader asks for what must be there.
  Result<std::span<const std::byte>> Section(std::string_view name) const;
  // Checksum of one section against its bytes.
  Result<> VerifySection(std::string_view name) const;
  // Of every section: reads the whole file.
  Result<> VerifyAll() const;
  // Of every section of at most `bytes_max` bytes: the descriptions, not the rows.
  Result<> VerifySmall(size_t bytes_max) const;

  // A section as an array of T; kCorruption if its size is no multiple of sizeof(T).
  template <class T>
  Result<std::span<const T>> Array(std::string_view name) const {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= kSectionAlignment);
    ALMAGEST_TRY(const auto bytes, Section(name));
    if (bytes.size() % sizeof(T) != 0) {
      return Fail(ErrorCode::kCorruption,
                  Describe(name) + " has a size of " + std::to_string(bytes.size()) +
                      " bytes, no multiple of " + std::to_string(sizeof(T)));
    }
    return std::span<const T>(reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T));
  }
  // A section that is exactly one T.
  template <class T>
  Result<T> Value(std::string_view name) const {
    ALMAGEST_TRY(const auto values, Array<T>(name));
    if (values.size() != 1) {
      return Fail(
          ErrorCode::kCorruption,
          Describe(name) + " holds " + std::to_string(values.size()) + " values instead of 1");
    }
    return values[0];
  }

  size_t file_bytes() const { return file_.bytes().size(); }

 private:
  struct Entry {
    std::span<const std::byte> bytes;
    uint64_t checksum = 0;
  };
  std::string Describe(std::string_view name) const;

  std::filesystem::path path_;
  MappedFile file_;
  std::map<std::string, Entry, std::less<>> sections_;
};

}  // namespace almagest

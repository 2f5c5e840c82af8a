// Writes a section file (section_file.h): streams to `path`.tmp and makes it appear at `path` only
// when complete and synced. A writer that is destroyed before Finish leaves nothing behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "storage/base/result.h"

namespace almagest {

// Not thread-safe. After any error every further call returns an error too.
class SectionWriter {
 public:
  static Result<SectionWriter> Create(const std::filesystem::path& path);
  SectionWriter(SectionWriter&& other) noexcept;
  SectionWriter& operator=(SectionWriter&& other) noexcept;
  ~SectionWriter();

  // One section at once. Names: 1..39 bytes, no zero byte, unique in the file (ALMAGEST_CHECK).
  Result<> Add(std::string_view name, std::span<const std::byte> bytes);
  template <class T>
  Result<> AddArray(std::string_view name, std::span<const T> values) {
    return Add(name, std::as_bytes(values));
  }
  template <class T>
  Result<> AddValue(std::string_view name, const T& value) {
    return Add(name, std::as_bytes(std::span<const T>(&value, 1)));
  }

  // The same piece by piece: Begin, any number of Append, End.
  Result<> Begin(std::string_view name);
  Result<> Append(std::span<const std::byte> bytes);
  Result<> End();

  // Writes the table and the header, syncs, renames, syncs the folder. Call once, last.
  // kStorageFull when the disk is full.
  Result<> Finish();

 private:
  struct State;
  explicit SectionWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace almagest

// The bytes of a section file's header and table, shared by its reader and its writer.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "engine/index/section_file.h"

namespace almagest::section_layout {

static_assert(std::endian::native == std::endian::little, "section files are little-endian");

inline constexpr std::array<char, 8> kMagic = {'A', 'L', 'M', 'G', 'S', 'E', 'C', '\n'};

struct Header {
  std::array<char, 8> magic = kMagic;
  uint32_t format_version = kSectionFileVersion;
  uint32_t section_count = 0;
  uint64_t file_bytes = 0;
  uint64_t table_offset = 0;
  uint64_t table_checksum = 0;
  std::array<uint64_t, 2> reserved{};
  uint64_t header_checksum = 0;  // Of all bytes before it.
};
static_assert(sizeof(Header) == 64);
inline constexpr size_t kHeaderCheckedBytes = sizeof(Header) - sizeof(uint64_t);

struct TableEntry {
  std::array<char, kSectionNameBytesMax + 1> name{};
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t checksum = 0;
};
static_assert(sizeof(TableEntry) == 64);

}  // namespace almagest::section_layout

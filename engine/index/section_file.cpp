#include "engine/index/section_file.h"

#include <algorithm>

#include "engine/index/section_layout.h"
#include "storage/base/checksum.h"

namespace almagest {

Result<SectionFile> SectionFile::Open(const std::filesystem::path& path, Verify verify) {
  using section_layout::Header;
  using section_layout::TableEntry;
  const auto corrupt = [&path](const std::string& reason) {
    return Fail(ErrorCode::kCorruption, "the file " + path.string() + " " + reason);
  };
  SectionFile opened;
  opened.path_ = path;
  ALMAGEST_TRY(opened.file_, MappedFile::Open(path));
  const std::span<const std::byte> bytes = opened.file_.bytes();
  if (bytes.size() < sizeof(Header)) {
    return corrupt("has " + std::to_string(bytes.size()) + " bytes, less than its header");
  }
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != section_layout::kMagic) return corrupt("is not a section file");
  if (header.header_checksum != Checksum(bytes.data(), section_layout::kHeaderCheckedBytes)) {
    return corrupt("has a damaged header");
  }
  if (header.format_version != kSectionFileVersion) {
    return corrupt("has format version " + std::to_string(header.format_version) + "; this is " +
                   std::to_string(kSectionFileVersion));
  }
  if (header.file_bytes != bytes.size()) {
    return corrupt("has " + std::to_string(bytes.size()) + " bytes instead of " +
                   std::to_string(header.file_bytes));
  }
  const uint64_t table_bytes = uint64_t{header.section_count} * sizeof(TableEntry);
  if (header.section_count > kSectionsMax || header.table_offset % alignof(TableEntry) != 0 ||
      header.table_offset > bytes.size() || bytes.size() - header.table_offset != table_bytes) {
    return corrupt("has a section table of impossible size or place");
  }
  const std::byte* table = bytes.data() + header.table_offset;
  if (Checksum(table, table_bytes) != header.table_checksum) {
    return corrupt("has a damaged section table");
  }
  for (uint32_t i = 0; i < header.section_count; ++i) {
    TableEntry raw;
    std::memcpy(&raw, table + i * sizeof raw, sizeof raw);
    const auto end = std::find(raw.name.begin(), raw.name.end(), '\0');
    const std::string name(raw.name.begin(), end);
    if (name.empty() || end == raw.name.end()) return corrupt("has a section without a valid name");
    if (raw.offset % kSectionAlignment != 0 || raw.offset < sizeof(Header) ||
        raw.offset > header.table_offset || raw.bytes > header.table_offset - raw.offset) {
      return corrupt("has a section '" + name + "' outside of the file");
    }
    Entry entry{bytes.subspan(raw.offset, raw.bytes), raw.checksum};
    if (!opened.sections_.emplace(name, entry).second) {
      return corrupt("has the section '" + name + "' twice");
    }
  }
  if (verify == Verify::kAll) ALMAGEST_TRY_VOID(opened.VerifyAll());
  return opened;
}

Result<std::span<const std::byte>> SectionFile::Section(std::string_view name) const {
  const auto found = sections_.find(name);
  if (found == sections_.end()) {
    return Fail(ErrorCode::kCorruption, Describe(name) + " is missing");
  }
  return found->second.bytes;
}

Result<> SectionFile::VerifySection(std::string_view name) const {
  const auto found = sections_.find(name);
  if (found == sections_.end()) {
    return Fail(ErrorCode::kCorruption, Describe(name) + " is missing");
  }
  const Entry& entry = found->second;
  if (Checksum(entry.bytes.data(), entry.bytes.size()) != entry.checksum) {
    return Fail(ErrorCode::kCorruption, Describe(name) + " fails its checksum");
  }
  return {};
}

Result<> SectionFile::VerifyAll() const {
  for (const auto& [name, entry] : sections_) ALMAGEST_TRY_VOID(VerifySection(name));
  return {};
}

Result<> SectionFile::VerifySmall(size_t bytes_max) const {
  for (const auto& [name, entry] : sections_) {
    if (entry.bytes.size() <= bytes_max) ALMAGEST_TRY_VOID(VerifySection(name));
  }
  return {};
}

std::string SectionFile::Describe(std::string_view name) const {
  return "section '" + std::string(name) + "' of " + path_.string();
}

}  // namespace almagest

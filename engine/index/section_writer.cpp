#include "engine/index/section_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/index/section_file.h"
#include "engine/index/section_layout.h"
#include "storage/base/check.h"
#include "storage/base/checksum.h"
#include "storage/base/file.h"

namespace almagest {
namespace {
constexpr size_t kBufferBytes = 1 << 20;
}  // namespace

struct SectionWriter::State {
  std::filesystem::path path;
  std::filesystem::path temporary;
  int fd = -1;
  bool failed = false;
  bool finished = false;
  bool in_section = false;
  uint64_t offset = 0;  // Bytes given to Write so far.
  std::vector<std::byte> buffer;
  std::vector<section_layout::TableEntry> table;
  XXH3_state_t hash;

  ~State() {
    if (fd >= 0) ::close(fd);
    if (fd >= 0 && !finished) ::unlink(temporary.c_str());
  }

  tl::unexpected<Error> FailErrno(const char* action) {
    failed = true;
    const int error = errno;
    const bool full = error == ENOSPC || error == EDQUOT;
    return Fail(
        full ? ErrorCode::kStorageFull : ErrorCode::kInternal,
        std::string("cannot ") + action + " " + temporary.string() + ": " + std::strerror(error));
  }

  Result<> WriteAll(const std::byte* data, size_t bytes) {
    while (bytes > 0) {
      const ssize_t count = ::write(fd, data, bytes);
      if (count < 0) {
        if (errno == EINTR) continue;
        return FailErrno("write");
      }
      data += count;
      bytes -= static_cast<size_t>(count);
    }
    return {};
  }

  Result<> FlushBuffer() {
    ALMAGEST_TRY_VOID(WriteAll(buffer.data(), buffer.size()));
    buffer.clear();
    return {};
  }

  Result<> Write(std::span<const std::byte> bytes) {
    if (failed) return Fail(ErrorCode::kInternal, "an earlier write of the file failed");
    offset += bytes.size();
    if (buffer.size() + bytes.size() > kBufferBytes) ALMAGEST_TRY_VOID(FlushBuffer());
    if (bytes.size() >= kBufferBytes) return WriteAll(bytes.data(), bytes.size());
    buffer.insert(buffer.end(), bytes.begin(), bytes.end());
    return {};
  }

  Result<> Pad() {
    static constexpr std::array<std::byte, kSectionAlignment> kZeros{};
    const size_t rest = offset % kSectionAlignment;
    if (rest == 0) return {};
    return Write(std::span(kZeros).first(kSectionAlignment - rest));
  }
};

SectionWriter::SectionWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
SectionWriter::SectionWriter(SectionWriter&& other) noexcept = default;
SectionWriter& SectionWriter::operator=(SectionWriter&& other) noexcept = default;
SectionWriter::~SectionWriter() = default;

Result<SectionWriter> SectionWriter::Create(const std::filesystem::path& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  state->temporary = path.string() + ".tmp";
  state->fd = ::open(state->temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (state->fd < 0) return state->FailErrno("create");
  state->buffer.reserve(kBufferBytes);
  const section_layout::Header placeholder{};
  ALMAGEST_TRY_VOID(state->Write(std::as_bytes(std::span(&placeholder, 1))));
  return SectionWriter(std::move(state));
}

Result<> SectionWriter::Add(std::string_view name, std::span<const std::byte> bytes) {
  ALMAGEST_TRY_VOID(Begin(name));
  ALMAGEST_TRY_VOID(Append(bytes));
  return End();
}

Result<> SectionWriter::Begin(std::string_view name) {
  State& s = *state_;
  ALMAGEST_CHECK(!s.in_section && !s.finished);
  ALMAGEST_CHECK(!name.empty() && name.size() <= kSectionNameBytesMax);
  ALMAGEST_CHECK(name.find('\0') == std::string_view::npos);
  ALMAGEST_CHECK(s.table.size() < kSectionsMax);
  section_layout::TableEntry entry;
  std::copy(name.begin(), name.end(), entry.name.begin());
  ALMAGEST_CHECK(std::none_of(s.table.begin(), s.table.end(),
                              [&](const auto& other) { return other.name == entry.name; }));
  ALMAGEST_TRY_VOID(s.Pad());
  entry.offset = s.offset;
  s.table.push_back(entry);
  s.in_section = true;
  XXH3_64bits_reset(&s.hash);
  return {};
}

Result<> SectionWriter::Append(std::span<const std::byte> bytes) {
  State& s = *state_;
  ALMAGEST_CHECK(s.in_section);
  if (bytes.empty()) return {};
  XXH3_64bits_update(&s.hash, bytes.data(), bytes.size());
  s.table.back().bytes += bytes.size();
  return s.Write(bytes);
}

Result<> SectionWriter::End() {
  State& s = *state_;
  ALMAGEST_CHECK(s.in_section);
  s.in_section = false;
  s.table.back().checksum = XXH3_64bits_digest(&s.hash);
  return {};
}

Result<> SectionWriter::Finish() {
  State& s = *state_;
  ALMAGEST_CHECK(!s.in_section && !s.finished);
  ALMAGEST_TRY_VOID(s.Pad());
  section_layout::Header header;
  header.section_count = static_cast<uint32_t>(s.table.size());
  header.table_offset = s.offset;
  const auto table = std::as_bytes(std::span(s.table));
  header.table_checksum = Checksum(table.data(), table.size());
  ALMAGEST_TRY_VOID(s.Write(table));
  header.file_bytes = s.offset;
  header.header_checksum = Checksum(&header, section_layout::kHeaderCheckedBytes);
  ALMAGEST_TRY_VOID(s.FlushBuffer());
  if (::pwrite(s.fd, &header, sizeof header, 0) != sizeof header) return s.FailErrno("write");
  if (::fsync(s.fd) != 0) return s.FailErrno("sync");
  if (::rename(s.temporary.c_str(), s.path.c_str()) != 0) return s.FailErrno("rename");
  s.finished = true;
  return SyncDirectory(s.path.has_parent_path() ? s.path.parent_path() : ".");
}

}  // namespace almagest

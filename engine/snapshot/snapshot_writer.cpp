#include "engine/snapshot/snapshot_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "storage/base/checksum.h"
#include "storage/key_layout.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

constexpr size_t kFrameBytes = size_t{1} << 20;  // A frame is closed when it has this many.
constexpr size_t kCollectionPrefixBytes = 4;

template <class Integer>
void AppendInteger(std::string& out, Integer value) {
  for (size_t i = 0; i < sizeof(value); ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Jobs stay behind, and so does what opening a collection makes again.
bool IsPartOfSnapshot(ColumnFamily family, CollectionId id, std::string_view key) {
  if (family == ColumnFamily::kChanges) return false;
  if (family == ColumnFamily::kMeta) return key == ManifestKey(id) || key == SequenceKey(id);
  if (family != ColumnFamily::kLearning) return true;
  const auto parts = ParseLearningKey(key);
  return parts && parts->kind != LearningKind::kJob;
}

}  // namespace

struct SnapshotWriter::State {
  std::filesystem::path path;
  int fd = -1;
  bool finished = false;
  uint64_t bytes = 0;
  uint64_t collections = 0;
  uint64_t records = 0;
  Sha256 hash;

  ~State() {
    if (fd < 0) return;
    close(fd);
    if (!finished) unlink(path.c_str());
  }

  Result<> Fault(const char* action) const {
    const int code = errno;
    return Fail(code == ENOSPC || code == EDQUOT ? ErrorCode::kStorageFull : ErrorCode::kInternal,
                std::string("cannot ") + action + " " + path.string() + ": " + std::strerror(code));
  }

  Result<> Write(std::string_view text) {
    hash.Add(text);
    bytes += text.size();
    while (!text.empty()) {
      const ssize_t written = write(fd, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Fault("write");
      text.remove_prefix(static_cast<size_t>(written));
    }
    return {};
  }

  Result<> WriteFrame(char kind, std::string_view payload) {
    std::string head(1, kind);
    AppendInteger(head, static_cast<uint32_t>(payload.size()));
    AppendInteger(head, Checksum(payload.data(), payload.size()));
    ALMAGEST_TRY_VOID(Write(head));
    return Write(payload);
  }

  Result<> WriteFamily(ColumnFamily family, CollectionId id, const KeyValueStore& store,
                       const StoreSnapshot& snapshot) {
    const KeyRange range = CollectionRange(id);
    const std::string begin(1, static_cast<char>(family));
    std::string frame = begin;
    Result<> status;
    ALMAGEST_TRY_VOID(store.Scan(
        family, range.first, range.limit,
        [&](std::string_view key, std::string_view value) {
          if (!IsPartOfSnapshot(family, id, key)) return true;
          const std::string_view own = key.substr(kCollectionPrefixBytes);
          AppendInteger(frame, static_cast<uint32_t>(own.size()));
          AppendInteger(frame, static_cast<uint32_t>(value.size()));
          frame.append(own).append(value);
          ++records;
          if (frame.size() < kFrameBytes) return true;
          status = WriteFrame('R', frame);
          frame = begin;
          return status.has_value();
        },
        &snapshot));
    ALMAGEST_TRY_VOID(status);
    return frame.size() > begin.size() ? WriteFrame('R', frame) : Result<>();
  }
};

SnapshotWriter::SnapshotWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
SnapshotWriter::SnapshotWriter(SnapshotWriter&&) noexcept = default;
SnapshotWriter::~SnapshotWriter() = default;

Result<SnapshotWriter> SnapshotWriter::Create(const std::filesystem::path& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  state->fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (state->fd < 0) return Fail(state->Fault("create").error());
  ALMAGEST_TRY_VOID(state->Write(kSnapshotMagic));
  return SnapshotWriter(std::move(state));
}

Result<> SnapshotWriter::AddCollection(const std::string& name, const std::string& config_json,
                                       int64_t created_at_micros, CollectionId id,
                                       const KeyValueStore& store, const StoreSnapshot& snapshot) {
  const Json head = {
      {"name", name}, {"config", config_json}, {"created_at_micros", created_at_micros}};
  ALMAGEST_TRY_VOID(state_->WriteFrame('C', Dump(head)));
  ++state_->collections;
  for (const ColumnFamily family : kSnapshotFamilies) {
    ALMAGEST_TRY_VOID(state_->WriteFamily(family, id, store, snapshot));
  }
  return {};
}

Result<> SnapshotWriter::AddAliases(const std::map<std::string, std::string>& aliases) {
  return state_->WriteFrame('A', Dump(Json(aliases)));
}

Result<SnapshotWriter::Written> SnapshotWriter::Finish() {
  const Json end = {{"collections", state_->collections}, {"records", state_->records}};
  ALMAGEST_TRY_VOID(state_->WriteFrame('E', Dump(end)));
  if (fsync(state_->fd) != 0) return Fail(state_->Fault("sync").error());
  state_->finished = true;
  Written written;
  written.bytes = state_->bytes;
  written.sha256 = state_->hash.Finish();
  return written;
}

}  // namespace almagest

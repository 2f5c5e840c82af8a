#include "engine/snapshot/snapshot_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "storage/base/file.h"

namespace almagest {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".snapshot";
constexpr std::string_view kChecksumSuffix = ".checksum";
constexpr size_t kNamePartBytesMax = 150;  // File names may have 255.

std::string TimeText(std::time_t time, const char* format) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

tl::unexpected<Error> Fault(const std::string& action, const std::error_code& error) {
  const bool full = error == std::errc::no_space_on_device;
  return Fail(full ? ErrorCode::kStorageFull : ErrorCode::kInternal,
              "cannot " + action + ": " + error.message());
}

tl::unexpected<Error> NotFound(const std::string& name) {
  return Fail(ErrorCode::kNotFound, "Snapshot " + name.substr(0, 300) + " not found");
}

// A regular file, not a link to one.
bool IsSnapshot(const fs::directory_entry& entry) {
  std::error_code error;
  return entry.path().extension() == kSuffix &&
         entry.symlink_status(error).type() == fs::file_type::regular;
}

SnapshotDescription Describe(const fs::path& path) {
  SnapshotDescription description;
  description.name = path.filename().string();
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) {
    description.size = static_cast<uint64_t>(status.st_size);
    description.creation_time = TimeText(status.st_mtime, "%Y-%m-%dT%H:%M:%S");
  }
  if (auto checksum = ReadFile(path.string() + std::string(kChecksumSuffix))) {
    description.checksum = *std::move(checksum);
  }
  return description;
}

// "%41" to "A", for URIs.
std::string Unescape(std::string_view text) {
  std::string plain;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      plain += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// A process that died while it published or removed a snapshot leaves a checksum without its file,
// or half a checksum.
void RemoveOrphans(const fs::path& folder) {
  std::error_code ignored;
  std::vector<fs::path> orphans;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    fs::path path = entry.path();
    const bool is_half = path.extension() == ".tmp";  // WriteFileAtomically's.
    if (is_half) path.replace_extension();
    if (path.extension() != kChecksumSuffix || path.stem().extension() != kSuffix) continue;
    if (is_half || !fs::exists(path.replace_extension(), ignored)) orphans.push_back(entry.path());
  }
  for (const fs::path& orphan : orphans) fs::remove(orphan, ignored);
}

}  // namespace

Result<> SnapshotFolder::Prepare(const fs::path& root) {
  std::error_code error;
  fs::remove_all(root / "temporary", error);
  for (const char* part : {"collections", "store", "temporary"}) {
    if (!error) fs::create_directories(root / part, error);
  }
  if (error) return Fault("prepare the folder " + root.string(), error);
  RemoveOrphans(root / "store");
  for (const auto& entry : fs::directory_iterator(root / "collections", error)) {
    if (entry.is_directory(error)) RemoveOrphans(entry.path());
  }
  return {};
}

fs::path SnapshotFolder::TemporaryPath() {
  return root_ / "temporary" / fmt::format("{}-{}", getpid(), ++next_);
}

fs::path SnapshotFolder::FolderOf(const std::string& collection) const {
  return collection.empty() ? root_ / "store" : root_ / "collections" / collection;
}

Result<std::vector<SnapshotDescription>> SnapshotFolder::List(const std::string& collection) const {
  std::vector<SnapshotDescription> descriptions;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(FolderOf(collection), error)) {
    if (IsSnapshot(entry)) descriptions.push_back(Describe(entry.path()));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Fault("list snapshots", error);
  }
  std::ranges::sort(descriptions, {}, &SnapshotDescription::name);
  return descriptions;
}

Result<fs::path> SnapshotFolder::Find(const std::string& collection,
                                      const std::string& name) const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(FolderOf(collection), error)) {
    if (IsSnapshot(entry) && entry.path().filename().string() == name) return entry.path();
  }
  return NotFound(name);
}

Result<> SnapshotFolder::Remove(const std::string& collection, const std::string& name) {
  ALMAGEST_TRY(const fs::path path, Find(collection, name));
  std::error_code error;
  fs::remove(path, error);
  if (error) return Fault("remove " + name, error);
  fs::remove(path.string() + std::string(kChecksumSuffix), error);
  return SyncDirectory(path.parent_path());
}

Result<SnapshotDescription> SnapshotFolder::Publish(const fs::path& finished,
                                                    const std::string& collection,
                                                    const std::string& checksum) {
  const fs::path folder = FolderOf(collection);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Fault("create " + folder.string(), error);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string part = collection.empty() ? "full-snapshot" : collection;
  if (part.size() > kNamePartBytesMax) {
    size_t end = kNamePartBytesMax;
    while (end > 0 && (static_cast<unsigned char>(part[end]) & 0xc0) == 0x80) --end;
    part.resize(end);
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
  const auto rest = std::chrono::duration_cast<std::chrono::microseconds>(now - seconds);
  // The number keeps two of the same second apart.
  const std::string name = fmt::format(
      "{}-{:06}{:03}-{}{}", part, rest.count(), ++next_ % 1000,
      TimeText(static_cast<std::time_t>(seconds.count()), "%Y-%m-%d-%H-%M-%S"), kSuffix);
  // The checksum first: a snapshot that is seen has it.
  const fs::path path = folder / name;
  ALMAGEST_TRY_VOID(WriteFileAtomically(path.string() + std::string(kChecksumSuffix), checksum));
  fs::rename(finished, path, error);
  if (error) return Fault("publish " + name, error);
  ALMAGEST_TRY_VOID(SyncDirectory(folder));
  return Describe(path);
}

Result<fs::path> SnapshotFolder::Resolve(const std::string& uri) const {
  constexpr std::string_view kScheme = "file://";
  constexpr std::string_view kLocalhost = "localhost";
  std::string_view rest = uri;
  if (rest.starts_with(kScheme)) rest.remove_prefix(kScheme.size());
  if (rest.starts_with(kLocalhost)) rest.remove_prefix(kLocalhost.size());
  const std::string text = Unescape(rest);
  if (!text.starts_with('/') || text.find('\0') != std::string::npos) {
    return Fail(ErrorCode::kBadRequest,
                "Invalid snapshot URI, file path must be absolute or on localhost");
  }
  std::error_code error;
  if (!fs::exists(text, error)) {
    return Fail(ErrorCode::kBadRequest, "Snapshot file \"" + text + "\" does not exist");
  }
  const fs::path path = fs::canonical(text, error);
  const fs::path root = error ? fs::path() : fs::canonical(root_, error);
  const auto [end_of_root, ignored] = std::ranges::mismatch(root, path);
  if (error || end_of_root != root.end() || path == root) {
    return Fail(ErrorCode::kForbidden,
                "Snapshot file path must be inside the snapshots directory " +
                    fs::absolute(root_, error).lexically_normal().string());
  }
  if (!fs::is_regular_file(path, error)) {
    return Fail(ErrorCode::kBadRequest, "Snapshot file \"" + text + "\" is not a file");
  }
  return path;
}

}  // namespace almagest

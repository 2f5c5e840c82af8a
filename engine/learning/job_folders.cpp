#include "engine/learning/job_folders.h"

#include <array>
#include <string>
#include <system_error>

#include "engine/learning/job_codec.h"
#include "storage/base/log.h"

namespace almagest {
namespace {

namespace fs = std::filesystem;

constexpr std::array kKeptFiles = {"config.json", "progress.jsonl", "trainer.log", "report.json",
                                   "adapter.safetensors"};

void Remove(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) LogWarning("cannot remove " + path.string() + ": " + error.message());
}

}  // namespace

Result<> MakeJobFolder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (!error) fs::create_directories(folder, error);
  if (!error) return {};
  return Fail(
      error == std::errc::no_space_on_device ? ErrorCode::kStorageFull : ErrorCode::kInternal,
      "cannot make the job folder " + folder.string() + ": " + error.message());
}

void StripJobFolder(const fs::path& folder) {
  std::error_code error;
  for (const auto& item : fs::directory_iterator(folder, error)) {
    bool kept = false;
    for (const char* name : kKeptFiles) kept = kept || item.path().filename() == name;
    if (!kept) Remove(item.path());
  }
}

void RemoveOtherJobFolders(const fs::path& jobs_directory, const std::set<uint64_t>& keep) {
  std::error_code error;
  for (const auto& item : fs::directory_iterator(jobs_directory, error)) {
    const auto number = ParseJobId(item.path().filename().string());
    if (number && !keep.contains(*number)) Remove(item.path());
  }
}

}  // namespace almagest

// Job folders on disk: made for a job, emptied of bulk data when it ends, removed with age.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>

#include "storage/base/result.h"

namespace almagest {

// Makes an empty folder, replacing what is there.
Result<> MakeJobFolder(const std::filesystem::path& folder);

// Removes everything but config, progress, log, report and adapter: the exported vectors and
// judgements are copies, and feedback that is deleted later must not live on in them.
void StripJobFolder(const std::filesystem::path& folder);

// Removes folders of jobs (named as job_codec.h: JobIdOf) whose number is not in `keep`; other
// files are left alone.
void RemoveOtherJobFolders(const std::filesystem::path& jobs_directory,
                           const std::set<uint64_t>& keep);

}  // namespace almagest

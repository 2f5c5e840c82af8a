// A whole job: folder in, adapter and report out (docs/job-folder.md).
#pragma once

#include <filesystem>
#include <optional>

#include "storage/base/result.h"
#include "training/job_config.h"
#include "training/progress.h"
#include "training/report.h"

namespace almagest::training {

// The command line wins over config.json.
struct JobOverrides {
  std::optional<int64_t> threads;
  std::optional<DeviceChoice> device;
};

// Reads the folder, trains, measures, decides, and writes adapter.safetensors (unless the job was
// skipped) and then report.json; an adapter without a report is not an outcome. Earlier outputs in
// the folder are removed first. Errors are those of OpenJobFolder, VectorSpace and TrainAndSelect;
// LibTorch's exceptions become kInternal and a failed allocation kResourceExhausted.
Result<JobReport> RunJob(const std::filesystem::path& path, const JobOverrides& overrides,
                         Progress* progress);

}  // namespace almagest::training

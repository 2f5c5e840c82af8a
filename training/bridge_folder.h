// The input side of a bridge job's folder (docs/job-folder.md, "Bridge jobs"): the same documents,
// and maybe queries, in the vectors of two embedding models.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "storage/base/safetensors.h"
#include "training/job_config.h"
#include "training/judgements.h"
#include "training/linear_adapter.h"

namespace almagest::training {

// What makes a folder one of a bridge job.
inline constexpr char kBridgeConfig[] = "bridge.json";

// One of the two models. Spans point into the mapped file.
struct BridgeSide {
  std::string vector;  // The field's name.
  int64_t dimension = 0;
  Distance distance = Distance::kCosine;
  std::span<const float> documents;      // [document_count, dimension], base vectors.
  std::span<const float> queries;        // [query_count, dimension]; of `to` zeros where unknown.
  std::optional<LinearAdapter> version;  // The active one; absent: the identity.
};

struct BridgeFolder {
  std::filesystem::path path;
  std::string job_id;
  uint64_t seed = 0;
  int64_t threads = 1;
  DeviceChoice device = DeviceChoice::kAuto;
  double share = 0;  // Of the collection's points, that have a vector of the new model already.
  BridgeSide from;   // The new model, which the queries come in.
  BridgeSide to;     // The old model, which searches are to reach.
  int64_t document_count = 0;
  int64_t query_count = 0;
  std::vector<bool> has_to;  // One per query: whether its vector of the old model is known.
  JudgementColumns judgements;
  Safetensors from_file, to_file, judgements_file;
};

// Reads and validates every file: shapes, finite values, indexes in range. The error names file,
// tensor, row and limit.
Result<BridgeFolder> OpenBridgeFolder(const std::filesystem::path& path);

}  // namespace almagest::training

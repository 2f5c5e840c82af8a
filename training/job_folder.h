// The input side of a job folder, opened and checked in full before anything is trained.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>

#include "storage/base/result.h"
#include "storage/base/safetensors.h"
#include "training/job_config.h"
#include "training/judgements.h"
#include "training/linear_adapter.h"
#include "training/neighbour_map.h"
#include "training/trusted_queries.h"

namespace almagest::training {

struct JobFolder {
  std::filesystem::path path;
  JobConfig config;
  Safetensors vectors;  // Maps the file; the spans below point into it.
  Safetensors judgements_file;
  std::span<const float> documents;  // [document_count, dimension], base vectors.
  std::span<const float> queries;    // [query_count, dimension], base vectors.
  int64_t document_count = 0;
  int64_t query_count = 0;
  JudgementColumns judgements;
  std::optional<Safetensors> query_names_file;
  std::span<const int64_t>
      query_events;  // [query_count] what the sender calls each query. Or none.
  std::optional<Safetensors> text_leg_file;
  std::span<const int32_t> text_leg;  // [query_count, text_leg_depth]: documents that a text search
                                      // finds, best first, -1 after the last. Empty: no such leg.
  int64_t text_leg_depth = 0;
  std::optional<Safetensors> neighbours_file;
  NeighbourLists neighbours;  // Empty: nothing is known of words.
  std::optional<Safetensors> guard_file;
  std::span<const float> guard;  // [guard_count, dimension]: queries of which nothing is known.
  int64_t guard_count = 0;
  std::optional<Safetensors> trusted_file;
  TrustedColumns trusted;                     // Empty: no judgements of the admin's.
  std::map<int64_t, LinearAdapter> versions;  // Every live version, 0 included if it is live.
};

// Reads and validates every input file: shapes, finite values, indexes in range, weights above
// zero, an adapter for every live version except 0. The error names file, tensor, row and limit.
// Cost: one pass over the vectors.
Result<JobFolder> OpenJobFolder(const std::filesystem::path& path);

}  // namespace almagest::training

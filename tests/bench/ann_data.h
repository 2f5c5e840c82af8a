// A nearest-neighbour problem: base rows, queries, and the exact answer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/index/distance.h"
#include "storage/base/result.h"

namespace almagest::bench {

inline constexpr size_t kNeighbours = 10;

struct AnnData {
  std::string name;
  bool cosine = false;  // Rows and queries are of length 1 then, and the metric is kDot.
  uint32_t rows = 0;
  uint32_t queries = 0;
  uint32_t dimension = 0;
  std::vector<float> base;
  std::vector<float> query_values;
  std::vector<float> kth_score;  // Per query: the similarity of the tenth best row.

  Metric metric() const { return cosine ? Metric::kDot : Metric::kEuclid; }
  const float* Row(size_t row) const { return base.data() + row * dimension; }
  const float* Query(size_t query) const { return query_values.data() + query * dimension; }

  // Share of the rows given that are among the ten best, ties counted as hits.
  double Recall(size_t query, const std::vector<uint32_t>& found) const;
};

// `specification`: NAME=BASE,QUERIES,METRIC[,DIMENSION], METRIC l2 or cosine, files as in
// ann_files.h; or NAME=FOLDER of either data set known by its files (Fashion-MNIST's IDX files; a
// base.f32 and queries.f32 of 100 dimensions, cosine). At most `queries_max` queries.
// The truth is found by brute force and kept in `cache`.
Result<AnnData> LoadAnnData(const std::string& specification, uint32_t queries_max,
                            const std::filesystem::path& cache);

}  // namespace almagest::bench

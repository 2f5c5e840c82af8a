// What the compatibility benchmark says of one arm. No LibTorch here.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace almagest::bench {

inline constexpr double kReembedded[] = {0, 0.25, 0.5, 0.75, 1};

// nDCG@10 of every test query, of one arm and one seed.
struct VersionQuality {
  size_t versions = 0;                          // With version 0.
  std::vector<std::vector<double>> cells;       // [version of queries * versions + of documents]
  std::vector<std::vector<double>> reembedded;  // By kReembedded: that share by the last version,
                                                // the rest by version 0.
  const std::vector<double>& At(size_t queries, size_t documents) const {
    return cells[queries * versions + documents];
  }
};

// Over the pairs of a query version t and an older document version k, C[t][k] a mean nDCG@10.
struct PairAgreement {
  double agreeing = 0;          // AC: share with C[t][k] >= C[k][k].
  double agreeing_quality = 0;  // ACA: mean of C[t][k], counted as 0 where it does not agree.
  double mean_quality = 0;      // AA: mean of all C[t][k], k <= t.
  double worst = 0;             // The least C[t][k] - C[k][k]; below 0: an update did harm.
};

// `matrix` [versions * versions]; at least two versions.
PairAgreement SummarisePairs(std::span<const double> matrix, size_t versions);

// All seeds of one arm. `baseline`: those of the folded linear maps; the intervals are of the
// paired difference to it, over queries, each query's mean over the seeds. Prints one line.
nlohmann::ordered_json ReportArm(const std::string& name, std::span<const VersionQuality> seeds,
                                 std::span<const VersionQuality> baseline);

// The heading of the lines.
void PrintArmHeading();

}  // namespace almagest::bench

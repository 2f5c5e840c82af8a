// Seeded random data and naive twins for the tests of the index layer.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/index/dense_rows.h"
#include "engine/index/exact_scan.h"
#include "engine/index/row_filter.h"
#include "engine/index/sparse_index.h"

namespace almagest::index_test {

using Random = std::mt19937_64;

inline size_t Below(Random& random, size_t limit) { return random() % limit; }

// A folder that is removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "index_test_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Rows around `cluster_count` centres, of length 1 if asked; some absent.
struct Dataset {
  uint32_t count = 0;
  uint32_t dimension = 0;
  std::vector<float> values;
  std::vector<uint64_t> present;

  DenseRowsView View() const {
    return {values.data(), count, dimension, dimension, present.empty() ? nullptr : present.data()};
  }
  const float* Row(uint32_t row) const { return values.data() + size_t{row} * dimension; }
  bool Present(uint32_t row) const { return View().Present(row); }
};

inline std::vector<float> RandomVector(Random& random, uint32_t dimension, bool normalize) {
  std::normal_distribution<float> normal;
  std::vector<float> values(dimension);
  double sum = 0.0;
  for (float& value : values) {
    value = normal(random);
    sum += double{value} * value;
  }
  if (normalize) {
    for (float& value : values) value = static_cast<float>(value / std::sqrt(sum));
  }
  return values;
}

inline Dataset RandomRows(Random& random, uint32_t count, uint32_t dimension, bool normalize,
                          double absent_share = 0.0) {
  Dataset data;
  data.count = count;
  data.dimension = dimension;
  for (uint32_t row = 0; row < count; ++row) {
    const auto values = RandomVector(random, dimension, normalize);
    data.values.insert(data.values.end(), values.begin(), values.end());
  }
  if (absent_share > 0.0) {
    data.present.assign(BitmapWords(count), 0);
    std::bernoulli_distribution absent(absent_share);
    for (uint32_t row = 0; row < count; ++row) {
      if (absent(random)) {
        // Must never be read as a vector: poison it.
        std::fill_n(data.values.begin() + size_t{row} * dimension, dimension, 1e30f);
      } else {
        data.present[row / 64] |= uint64_t{1} << (row % 64);
      }
    }
  }
  return data;
}

inline std::vector<uint64_t> RandomBitmap(Random& random, uint32_t bits, double share) {
  std::vector<uint64_t> words(BitmapWords(bits), 0);
  std::bernoulli_distribution set(share);
  for (uint32_t bit = 0; bit < bits; ++bit) {
    if (set(random)) words[bit / 64] |= uint64_t{1} << (bit % 64);
  }
  return words;
}

// All rows that count, by one plain sort.
inline std::vector<ScoredRow> NaiveDense(const Dataset& data, const DenseQuery& query) {
  std::vector<ScoredRow> all;
  for (uint32_t row = 0; row < data.count; ++row) {
    if (!query.filter.Counts(row) || !data.Present(row)) continue;
    const float score = KernelsFor(query.metric).pair(query.query, data.Row(row), data.dimension);
    all.push_back({row, query.adjustment.Apply(row, score)});
  }
  std::sort(all.begin(), all.end(), ComesBefore);
  if (all.size() > query.k) all.resize(query.k);
  return all;
}

inline double Recall(const std::vector<ScoredRow>& found, const std::vector<ScoredRow>& truth) {
  if (truth.empty()) return 1.0;
  size_t hits = 0;
  for (const ScoredRow& wanted : truth) {
    hits += static_cast<size_t>(std::count_if(
        found.begin(), found.end(), [&](const ScoredRow& row) { return row.row == wanted.row; }));
  }
  return static_cast<double>(hits) / static_cast<double>(truth.size());
}

// Sparse rows as a map; absent rows are not in it.
using NaiveSparse = std::map<uint32_t, std::map<uint32_t, float>>;
struct SparseTerms {
  std::vector<uint32_t> terms;
  std::vector<float> weights;
  SparseView View() const { return {terms, weights}; }
};

inline SparseTerms ToSparse(const std::map<uint32_t, float>& row) {
  SparseTerms result;
  for (const auto& [term, weight] : row) {
    result.terms.push_back(term);
    result.weights.push_back(weight);
  }
  return result;
}

// Frequent and rare terms; weights from a small set so that ties are common.
inline std::map<uint32_t, float> RandomSparse(Random& random, size_t terms_max, uint32_t vocabulary,
                                              bool negative) {
  std::map<uint32_t, float> row;
  const size_t terms = Below(random, terms_max + 1);
  std::exponential_distribution<double> draw(8.0);
  for (size_t i = 0; i < terms; ++i) {
    const auto term = static_cast<uint32_t>(std::min(draw(random), 1.0) * (vocabulary - 1));
    float weight = Below(random, 2) == 0 ? static_cast<float>(Below(random, 4)) / 4.0f
                                         : static_cast<float>(Below(random, 1000)) / 317.0f;
    if (negative && Below(random, 4) == 0) weight = -weight;
    row[term * 977] = weight;
  }
  return row;
}

inline std::vector<ScoredRow> NaiveSparseSearch(const NaiveSparse& rows, const SparseQuery& query) {
  std::vector<ScoredRow> all;
  for (const auto& [row, weights] : rows) {
    if (!query.filter.Counts(row)) continue;
    double sum = 0.0;
    bool shared = false;
    for (size_t i = 0; i < query.query.terms.size(); ++i) {
      const auto found = weights.find(query.query.terms[i]);
      if (found == weights.end()) continue;
      shared = true;
      sum += double{query.query.weights[i]} * double{found->second};
    }
    if (shared) all.push_back({row, static_cast<float>(sum)});
  }
  std::sort(all.begin(), all.end(), ComesBefore);
  if (all.size() > query.k) all.resize(query.k);
  return all;
}

}  // namespace almagest::index_test

// A naive twin of a collection for search tests: a map of points, scored one by one in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "engine/query.h"
#include "engine/write.h"

namespace almagest::testing {

struct NaivePoint {
  std::optional<DenseVector> cosine;  // Field "c", stored normalised.
  std::optional<DenseVector> euclid;  // Field "e".
  std::optional<SparseVector> sparse; // Field "s", with idf.
  int64_t group = 0;                  // Payload key "group".
};

struct NaiveHit {
  PointId id;
  double score = 0;
};

inline DenseVector RandomVector(std::mt19937_64& random, size_t dimension) {
  std::normal_distribution<float> normal;
  DenseVector vector(dimension);
  for (float& value : vector) value = normal(random);
  return vector;
}

inline DenseVector Normalised(DenseVector vector) {
  double square = 0;
  for (const float value : vector) square += double{value} * value;
  const double length = std::sqrt(square);
  for (float& value : vector) value = static_cast<float>(value / length);
  return vector;
}

inline SparseVector RandomSparse(std::mt19937_64& random) {
  std::map<uint32_t, float> terms;
  const size_t count = 1 + random() % 6;
  for (size_t i = 0; i < count; ++i) {
    terms[static_cast<uint32_t>(random() % 20)] =
        static_cast<float>(1 + random() % 8) / 4;
  }
  SparseVector vector;
  for (const auto& [term, weight] : terms) {
    vector.indices.push_back(term);
    vector.values.push_back(weight);
  }
  return vector;
}

class NaivePoints {
 public:
  std::map<PointId, NaivePoint> points;

  std::vector<NaiveHit> NearestCosine(const DenseVector& query, std::optional<int64_t> group) const {
    const DenseVector unit = Normalised(query);
    return Rank(group, true, [&](const NaivePoint& point) -> std::optional<double> {
      if (!point.cosine) return std::nullopt;
      double dot = 0;
      for (size_t i = 0; i < unit.size(); ++i) dot += double{unit[i]} * (*point.cosine)[i];
      return dot;
    });
  }
  std::vector<NaiveHit> NearestEuclid(const DenseVector& query, std::optional<int64_t> group) const {
    return Rank(group, false, [&](const NaivePoint& point) -> std::optional<double> {
      if (!point.euclid) return std::nullopt;
      double square = 0;
      for (size_t i = 0; i < query.size(); ++i) {
        const double difference = double{query[i]} - (*point.euclid)[i];
        square += difference * difference;
      }
      return std::sqrt(square);
    });
  }
  std::vector<NaiveHit> NearestSparse(const SparseVector& query, std::optional<int64_t> group) const {
    std::map<uint32_t, double> document_frequency;
    double documents = 0;
    for (const auto& [id, point] : points) {
      if (!point.sparse) continue;
      ++documents;
      for (const uint32_t term : point.sparse->indices) ++document_frequency[term];
    }
    return Rank(group, true, [&](const NaivePoint& point) -> std::optional<double> {
      if (!point.sparse) return std::nullopt;
      std::optional<double> score;
      for (size_t i = 0; i < query.indices.size(); ++i) {
        const auto& indices = point.sparse->indices;
        const auto found = std::lower_bound(indices.begin(), indices.end(), query.indices[i]);
        if (found == indices.end() || *found != query.indices[i]) continue;
        const double df = document_frequency[query.indices[i]];
        const double idf = std::log((documents - df + 0.5) / (df + 0.5) + 1);
        score = score.value_or(0) + query.values[i] * idf *
                                        point.sparse->values[static_cast<size_t>(
                                            found - indices.begin())];
      }
      return score;
    });
  }

 private:
  template <class Score>
  std::vector<NaiveHit> Rank(std::optional<int64_t> group, bool larger_first, Score score) const {
    std::vector<NaiveHit> hits;
    for (const auto& [id, point] : points) {
      if (group && point.group != *group) continue;
      if (const auto value = score(point)) hits.push_back({id, *value});
    }
    std::stable_sort(hits.begin(), hits.end(), [&](const NaiveHit& a, const NaiveHit& b) {
      return larger_first ? a.score > b.score : a.score < b.score;
    });
    return hits;
  }
};

}  // namespace almagest::testing

#include "engine/search/diversify.h"

#include <algorithm>
#include <limits>

#include "engine/collection/segment_builder.h"
#include "engine/index/distance.h"
#include "engine/search/multi_search.h"

namespace almagest {
namespace {

float SparseDot(const SparseVector& a, const SparseVector& b) {
  float sum = 0;
  size_t i = 0, j = 0;
  while (i < a.indices.size() && j < b.indices.size()) {
    if (a.indices[i] == b.indices[j]) {
      sum += a.values[i++] * b.values[j++];
    } else if (a.indices[i] < b.indices[j]) {
      ++i;
    } else {
      ++j;
    }
  }
  return sum;
}

// Keeps the candidates that still have their vector.
std::vector<RankedSlot> Present(const std::vector<RankedSlot>& candidates,
                                const std::vector<bool>& present) {
  std::vector<RankedSlot> kept;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (present[i]) kept.push_back(candidates[i]);
  }
  return kept;
}

Result<std::vector<RankedSlot>> Select(const std::vector<RankedSlot>& candidates,
                                       const std::function<float(size_t, size_t)>& similarity,
                                       double diversity, size_t limit, const Deadline& deadline) {
  std::vector<float> relevance;
  for (const RankedSlot& candidate : candidates) relevance.push_back(candidate.score);
  ALMAGEST_TRY(const auto positions,
               SelectDiverse(relevance, similarity, diversity, limit, deadline));
  std::vector<RankedSlot> selected;
  for (const size_t position : positions) {
    selected.push_back(candidates[position]);
  }
  return selected;
}

// Vectors of another kind than dense, one by one: those of the candidates that still have theirs.
template <class Vector>
Result<std::vector<Vector>> ReadVectors(const Collection& collection,
                                        const std::string& vector_name, std::span<const Slot> slots,
                                        std::vector<bool>& present) {
  std::vector<Vector> vectors;
  for (size_t i = 0; i < slots.size(); ++i) {
    ALMAGEST_TRY(NamedVectors named,
                 collection.Vectors(slots[i], {VectorSelector::Kind::kNames, {vector_name}}));
    const auto found = named.find(vector_name);
    present[i] = found != named.end();
    if (present[i]) vectors.push_back(std::get<Vector>(std::move(found->second)));
  }
  return vectors;
}

}  // namespace

Result<std::vector<size_t>> SelectDiverse(std::span<const float> relevance,
                                          const std::function<float(size_t, size_t)>& similarity,
                                          double diversity, size_t limit,
                                          const Deadline& deadline) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  const size_t count = relevance.size();
  const auto weight = static_cast<float>(diversity);
  std::vector<float> nearest_selected(count, kNone);  // To a result picked before.
  std::vector<bool> is_selected(count, false);
  std::vector<size_t> selected;
  while (selected.size() < std::min(limit, count)) {
    if (deadline.Expired()) return Fail(ErrorCode::kTimeout, "the query exceeded its time limit");
    size_t best = count;
    float best_score = kNone;
    for (size_t i = 0; i < count; ++i) {
      if (is_selected[i]) continue;
      const float redundancy = selected.empty() ? 0.0f : weight * nearest_selected[i];
      const float score = (1.0f - weight) * relevance[i] - redundancy;
      // The first pick is the most relevant one, also when relevance weighs nothing.
      const float value = selected.empty() ? relevance[i] : score;
      if (best == count || value > best_score) {
        best = i;
        best_score = value;
      }
    }
    is_selected[best] = true;
    selected.push_back(best);
    for (size_t i = 0; i < count; ++i) {
      if (!is_selected[i]) nearest_selected[i] = std::max(nearest_selected[i], similarity(i, best));
    }
  }
  return selected;
}

Result<std::vector<RankedSlot>> Diversify(const Collection& collection, const CollectionView& view,
                                          const std::string& vector_name,
                                          const Collection::Field& field,
                                          std::optional<VersionId> version,
                                          std::vector<RankedSlot> candidates, double diversity,
                                          size_t limit, const Deadline& deadline) {
  std::vector<Slot> slots;
  for (const RankedSlot& candidate : candidates) slots.push_back(candidate.slot);
  std::vector<bool> present(slots.size(), false);
  if (field.is_sparse) {
    ALMAGEST_TRY(const auto vectors,
                 ReadVectors<SparseVector>(collection, vector_name, slots, present));
    return Select(
        Present(candidates, present),
        [&](size_t a, size_t b) { return SparseDot(vectors[a], vectors[b]); }, diversity, limit,
        deadline);
  }
  if (field.is_multi()) {
    ALMAGEST_TRY(const auto vectors,
                 ReadVectors<MultiVector>(collection, vector_name, slots, present));
    return Select(
        Present(candidates, present),
        [&](size_t a, size_t b) {
          return MultiSimilarity(field.dense.distance, vectors[a], vectors[b]);
        },
        diversity, limit, deadline);
  }
  const size_t dimension = field.dense.dimension;
  ALMAGEST_TRY(std::vector<float> served, collection.BaseVectors(field.id, slots, &present));
  const VersionSet& versions = *view.versions.at(field.id);
  ALMAGEST_TRY(const auto maps, versions.Maps(version.value_or(versions.active())));
  if (maps->document != nullptr && !slots.empty()) {
    std::vector<float> mapped(served.size());
    maps->document->ApplyBatch(served, slots.size(), mapped, versions.normalised());
    served = std::move(mapped);
  }
  std::vector<size_t> rows;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (present[i]) rows.push_back(i);
  }
  const DistanceKernels& kernels = KernelsFor(MetricOf(field.dense.distance));
  const auto similarity = [&](size_t a, size_t b) {
    return kernels.pair(&served[rows[a] * dimension], &served[rows[b] * dimension], dimension);
  };
  return Select(Present(candidates, present), similarity, diversity, limit, deadline);
}

}  // namespace almagest

#include "training/negative_hardness.h"

#include <algorithm>
#include <cmath>

namespace almagest::training {

void NegativeHardness::Add(std::span<const MinedQuery> mined, double temperature, double unit) {
  NegativeHardness added;
  for (const MinedQuery& query : mined) {
    if (query.positive_scores.empty()) continue;
    const double best = *std::ranges::max_element(query.positive_scores);
    ++added.queries;
    for (const float score : query.negative_scores) {
      const double margin = (score - best) / unit;
      const auto bin = std::ranges::lower_bound(kMargins, margin) - kMargins.begin();
      ++added.counts[std::min(static_cast<size_t>(bin), kMargins.size() - 1)];
      added.weight += std::exp(margin / temperature);
    }
  }
  if (added.queries > 0) added.weight /= static_cast<double>(added.queries);
  Add(added);
}

void NegativeHardness::Add(const NegativeHardness& other) {
  const auto mine = static_cast<double>(queries);
  const auto theirs = static_cast<double>(other.queries);
  if (other.queries > 0) weight = (mine * weight + theirs * other.weight) / (mine + theirs);
  queries += other.queries;
  for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
}

}  // namespace almagest::training

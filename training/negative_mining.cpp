#include "training/negative_mining.h"

#include <utility>

namespace almagest::training {

std::vector<int32_t> DrawNegatives(const MinedQuery& mined, size_t positive, double ratio,
                                   size_t count, std::mt19937_64& random) {
  const double limit = NegativeLimit(mined.positive_scores[positive], ratio);
  std::vector<int32_t> allowed;
  for (size_t i = 0; i < mined.negatives.size(); ++i) {
    if (mined.negative_scores[i] < limit) allowed.push_back(mined.negatives[i]);
  }
  for (size_t i = 0; i < count && i < allowed.size(); ++i) {
    std::swap(allowed[i], allowed[i + random() % (allowed.size() - i)]);
  }
  if (allowed.size() > count) allowed.resize(count);
  return allowed;
}

}  // namespace almagest::training

#include "tests/bench/sparse/term_at_a_time.h"

#include <algorithm>

namespace almagest::bench {

TermAtATime::TermAtATime(const SparseRows& documents) : sums_(documents.size(), 0.0) {
  std::vector<size_t> counts;
  for (size_t row = 0; row < documents.size(); ++row) {
    for (const uint32_t term : documents[row].terms) {
      const auto [number, is_new] = numbers_.emplace(term, static_cast<uint32_t>(counts.size()));
      if (is_new) counts.push_back(0);
      ++counts[number->second];
    }
  }
  first_.assign(counts.size() + 1, 0);
  for (size_t t = 0; t < counts.size(); ++t) first_[t + 1] = first_[t] + counts[t];
  rows_.resize(first_.back());
  weights_.resize(first_.back());
  std::vector<size_t> next(first_.begin(), first_.end() - 1);
  for (size_t row = 0; row < documents.size(); ++row) {
    const SparseView document = documents[row];
    for (size_t i = 0; i < document.terms.size(); ++i) {
      const size_t place = next[numbers_.at(document.terms[i])]++;
      rows_[place] = static_cast<uint32_t>(row);
      weights_[place] = document.weights[i];
    }
  }
}

std::span<const uint32_t> TermAtATime::ListOf(uint32_t term,
                                              std::span<const float>* weights) const {
  const auto number = numbers_.find(term);
  if (number == numbers_.end()) return {};
  const size_t first = first_[number->second];
  const size_t count = first_[number->second + 1] - first;
  *weights = std::span(weights_).subspan(first, count);
  return std::span(rows_).subspan(first, count);
}

uint64_t TermAtATime::CountPostings(const SparseView& query) const {
  uint64_t count = 0;
  std::span<const float> weights;
  for (const uint32_t term : query.terms) count += ListOf(term, &weights).size();
  return count;
}

std::vector<ScoredRow> TermAtATime::Search(const SparseView& query, size_t k) {
  double* const sums = sums_.data();
  for (size_t i = 0; i < query.terms.size(); ++i) {
    std::span<const float> weights;
    const std::span<const uint32_t> rows = ListOf(query.terms[i], &weights);
    const double query_weight = query.weights[i];
    for (size_t p = 0; p < rows.size(); ++p) sums[rows[p]] += query_weight * double{weights[p]};
  }
  // Most rows are below the k-th best: one comparison each, eight rows between two branches.
  TopK best(k);
  constexpr size_t kStep = 8;
  const size_t count = sums_.size();
  size_t row = 0;
  for (; row + kStep <= count; row += kStep) {
    const double bar = std::max(0.0, double{best.threshold()});
    bool any = false;
    for (size_t i = 0; i < kStep; ++i) any |= sums[row + i] > bar;
    if (!any) continue;
    for (size_t i = 0; i < kStep; ++i) {
      if (sums[row + i] > bar) {
        best.Push(static_cast<uint32_t>(row + i), static_cast<float>(sums[row + i]));
      }
    }
  }
  for (; row < count; ++row) {
    if (sums[row] > 0.0) best.Push(static_cast<uint32_t>(row), static_cast<float>(sums[row]));
  }
  std::fill(sums_.begin(), sums_.end(), 0.0);
  return best.Take();
}

size_t TermAtATime::bytes() const {
  return rows_.size() * (sizeof(uint32_t) + sizeof(float)) + first_.size() * sizeof(size_t) +
         numbers_.size() * 16;
}

}  // namespace almagest::bench

#include "training/batch_sampler.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "storage/base/check.h"

namespace almagest::training {
namespace {
constexpr int64_t kDrawsMax = 4;
}  // namespace

TrainingQuery MakeTrainingQuery(const JudgedQuery& judged, std::span<const int32_t> position_of,
                                bool graded) {
  TrainingQuery query;
  query.query = judged.query;
  // A sampled corpus keeps the order of rows, so positions ascend as documents do.
  for (const JudgedDocument& entry : judged.documents) {
    const int32_t position = position_of[static_cast<size_t>(entry.document)];
    if (entry.grade > 0) {
      query.positives.push_back(position);
      query.positive_weights.push_back(graded ? entry.weight : entry.grade * entry.weight);
      query.positive_grades.push_back(entry.grade);
      query.weight += query.positive_weights.back();
    } else {
      query.negatives.push_back(position);
    }
  }
  ALMAGEST_CHECK(!query.positives.empty());
  query.weight /= static_cast<float>(query.positives.size());
  return query;
}

BatchSampler::BatchSampler(std::span<const TrainingQuery> queries, const Options& options,
                           std::vector<int32_t> topics)
    : queries_(queries),
      options_(options),
      random_(options.seed),
      order_(queries.size()),
      topics_(std::move(topics)) {
  ALMAGEST_CHECK(!queries.empty() && options.corpus_size > 0);
  ALMAGEST_CHECK(topics_.empty() || topics_.size() == queries.size());
  std::iota(order_.begin(), order_.end(), 0u);
  if (!topics_.empty()) {
    topic_rank_.resize(static_cast<size_t>(*std::max_element(topics_.begin(), topics_.end())) + 1);
    std::iota(topic_rank_.begin(), topic_rank_.end(), 0u);
  }
  // A batch visits no query twice, except where it wraps into the next epoch. Where the queries are
  // fewer than a batch has room for, several positives of each are drawn instead.
  const auto count = static_cast<int64_t>(queries.size());
  draws_ = std::clamp<int64_t>(options_.batch_size / count, 1, kDrawsMax);
  options_.batch_size = std::min(options_.batch_size, count);
  at_ = order_.size();
  epoch_ = -1;
}

int64_t BatchSampler::steps_per_epoch() const {
  return (static_cast<int64_t>(queries_.size()) + options_.batch_size - 1) / options_.batch_size;
}

void BatchSampler::ShuffleEpoch() {
  // Fisher-Yates by hand: std::shuffle may differ between standard libraries.
  const auto shuffle = [&](std::vector<uint32_t>& values) {
    for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random_() % i]);
  };
  shuffle(order_);
  if (topics_.empty()) return;
  shuffle(topic_rank_);
  const auto rank = [&](uint32_t query) {
    return topic_rank_[static_cast<size_t>(topics_[query])];
  };
  std::stable_sort(order_.begin(), order_.end(),
                   [&](uint32_t a, uint32_t b) { return rank(a) < rank(b); });
}

size_t BatchSampler::NextQuery() {
  if (at_ == order_.size()) {
    ShuffleEpoch();
    at_ = 0;
    ++epoch_;
  }
  return order_[at_++];
}

size_t BatchSampler::DrawPositive(const TrainingQuery& query) {
  double total = 0;
  for (const float weight : query.positive_weights) total += weight;
  double left = static_cast<double>(random_() >> 11) * 0x1.0p-53 * total;
  for (size_t i = 0; i + 1 < query.positives.size(); ++i) {
    left -= query.positive_weights[i];
    if (left < 0) return i;
  }
  return query.positives.size() - 1;
}

Batch BatchSampler::Next(std::span<const MinedQuery> mined) {
  Batch batch;
  std::vector<size_t> positives;
  for (int64_t i = 0; i < options_.batch_size; ++i) {
    const size_t index = NextQuery();
    const TrainingQuery& query = queries_[index];
    const size_t first = positives.size();
    for (int64_t draw = 0; draw < draws_; ++draw) {
      const size_t positive = DrawPositive(query);
      // Drawn twice: said already.
      if (std::count(positives.begin() + static_cast<long>(first), positives.end(), positive) > 0) {
        continue;
      }
      positives.push_back(positive);
      batch.queries.push_back(static_cast<int32_t>(index));
      batch.columns.push_back(query.positives[positive]);
    }
    // A query counts the same however many of its positives were drawn.
    const auto drawn = static_cast<float>(positives.size() - first);
    batch.weights.insert(batch.weights.end(), positives.size() - first, query.weight / drawn);
  }
  const size_t rows = positives.size();
  std::unordered_map<int32_t, size_t> column_of;  // The first column of each document.
  for (size_t row = 0; row < rows; ++row) column_of.try_emplace(batch.columns[row], row);
  const auto add = [&](int32_t document) {
    if (column_of.try_emplace(document, batch.columns.size()).second) {
      batch.columns.push_back(document);
    }
  };
  for (size_t row = 0; row < rows; ++row) {
    const auto index = static_cast<size_t>(batch.queries[row]);
    auto wanted = static_cast<size_t>(options_.hard_negatives);
    const TrainingQuery& query = queries_[index];
    // What users rejected comes first, at most half of the places: it is certain but not always
    // hard.
    for (size_t i = 0; i < std::min(query.negatives.size(), (wanted + 1) / 2); ++i) {
      add(query.negatives[random_() % query.negatives.size()]);
    }
    if (mined.empty()) continue;
    wanted -= std::min(query.negatives.size(), (wanted + 1) / 2);
    for (const int32_t document :
         DrawNegatives(mined[index], positives[row], options_.positive_ratio, wanted, random_)) {
      add(document);
    }
  }
  for (int64_t i = 0; i < options_.random_negatives; ++i) {
    add(static_cast<int32_t>(random_() % static_cast<uint64_t>(options_.corpus_size)));
  }

  const size_t columns = batch.columns.size();
  batch.excluded.assign(rows * columns, 0);
  batch.confirmed.assign(rows * columns, 0);
  if (options_.graded) batch.grades.assign(rows * columns, 0);
  for (size_t row = 0; row < rows; ++row) {
    uint8_t* excluded = batch.excluded.data() + row * columns;
    uint8_t* confirmed = batch.confirmed.data() + row * columns;
    const TrainingQuery& query = queries_[static_cast<size_t>(batch.queries[row])];
    for (size_t column = 0; column < rows; ++column) {  // Repeated documents.
      if (column_of.at(batch.columns[column]) != column) excluded[column] = 1;
    }
    for (size_t i = 0; i < query.positives.size(); ++i) {
      const auto found = column_of.find(query.positives[i]);
      if (found == column_of.end()) continue;
      // Of a target, the row's own column counts.
      const bool own = query.positives[i] == batch.columns[row];
      const size_t column = own ? row : found->second;
      excluded[found->second] = !options_.graded || own;
      if (options_.graded) batch.grades[row * columns + column] = query.positive_grades[i];
    }
    for (const int32_t document : query.negatives) {
      if (const auto found = column_of.find(document); found != column_of.end()) {
        confirmed[found->second] = 1;
      }
    }
    excluded[row] = 0;
  }
  return batch;
}

}  // namespace almagest::training

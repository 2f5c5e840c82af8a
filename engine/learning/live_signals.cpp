#include "engine/learning/live_signals.h"

#include <algorithm>
#include <cmath>

namespace almagest {
namespace {

constexpr size_t kCreditsMax = 100'000;
// Beyond this a sample is halved: what users did last counts most, and numbers stay small.
constexpr double kSampleMax = 40'000;
constexpr size_t kVersionsKept = 8;

}  // namespace

void LiveSignals::AddSearch(uint32_t collection_id, const std::string& vector_name,
                            VersionId version) {
  const std::lock_guard lock(mutex_);
  const auto [found, is_new] = fields_.try_emplace({collection_id, vector_name});
  Field& field = found->second;
  if (is_new) field.current = version;
  if (field.current != version) {
    field.before = field.current;
    field.current = version;
    // A version that comes back is judged by what it does from now on.
    field.samples.erase(version);
    while (field.samples.size() > kVersionsKept) field.samples.erase(field.samples.begin());
  }
  LiveSample& sample = field.samples[version];
  sample.searches += 1;
  if (sample.searches > kSampleMax) {
    sample = {sample.searches / 2, sample.sum / 2, sample.squares / 2};
  }
}

void LiveSignals::AddReward(uint32_t collection_id, const std::string& vector_name,
                            VersionId version, const std::string& query_id, uint32_t rank) {
  const double reward = 1.0 / static_cast<double>(std::max<uint32_t>(rank, 1));
  const std::lock_guard lock(mutex_);
  const auto field = fields_.find({collection_id, vector_name});
  if (field == fields_.end()) return;
  const auto sample = field->second.samples.find(version);
  if (sample == field->second.samples.end()) return;
  const auto [credit, is_new] = credited_.try_emplace(query_id, 0.0);
  if (is_new) {
    credit_order_.push_back(query_id);
    if (credit_order_.size() > kCreditsMax) {
      credited_.erase(credit_order_.front());
      credit_order_.pop_front();
    }
  }
  if (reward <= credit->second) return;
  sample->second.sum += reward - credit->second;
  sample->second.squares += reward * reward - credit->second * credit->second;
  credit->second = reward;
}

std::optional<LiveComparison> LiveSignals::Compare(uint32_t collection_id,
                                                   const std::string& vector_name,
                                                   VersionId active) const {
  const std::lock_guard lock(mutex_);
  const auto found = fields_.find({collection_id, vector_name});
  if (found == fields_.end()) return std::nullopt;
  const Field& field = found->second;
  if (field.current != active || !field.before) return std::nullopt;
  const auto then = field.samples.find(*field.before);
  if (then == field.samples.end()) return std::nullopt;
  LiveComparison comparison{active, *field.before, field.samples.at(active), then->second, 0};
  const auto variance_of_mean = [](const LiveSample& sample) {
    const double mean = sample.mean();
    return std::max(sample.squares / sample.searches - mean * mean, 0.0) / sample.searches;
  };
  const double error =
      std::sqrt(variance_of_mean(comparison.now) + variance_of_mean(comparison.then));
  if (error > 0) comparison.sigmas = (comparison.now.mean() - comparison.then.mean()) / error;
  return comparison;
}

void LiveSignals::ForgetCollection(uint32_t collection_id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(fields_, [&](const auto& entry) { return entry.first.first == collection_id; });
}

}  // namespace almagest

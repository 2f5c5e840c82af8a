#include "engine/learning/judgement_builder.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include "storage/base/check.h"
#include "storage/base/checksum.h"

namespace almagest {

size_t JudgementBuilder::PairHash::operator()(const PairKey& key) const {
  const auto high = static_cast<uint64_t>(static_cast<uint32_t>(key.query)) << 32;
  const auto low = static_cast<uint32_t>(key.document);
  return static_cast<size_t>(Mix64(Mix64(high | low) + static_cast<uint32_t>(key.user)));
}

// The judgements of one event with documents resolved; query and user are filled in by Add.
std::vector<JudgementBuilder::Judgement> JudgementBuilder::Read(const FeedbackEvent& event) {
  std::map<int32_t, Judgement> by_document;
  // propensity_weight: 0 where there is none.
  const auto put = [&](const PointId& id, double grade, double weight, double propensity_weight) {
    const auto document = row_of_(id);
    if (!document) {
      ++counts_.points_missing;
      return;
    }
    Judgement judgement;
    judgement.document = *document;
    judgement.grade = static_cast<float>(grade);
    judgement.weight = weight * event.weight;
    judgement.propensity_weight = propensity_weight;
    judgement.time_ms = event.time_ms;
    by_document[*document] = judgement;
  };
  for (const Click& click : event.clicks) {
    auto rank = click.rank;
    for (const Impression& shown : event.impressions) {
      if (!rank && shown.id == click.id) rank = shown.rank;
    }
    put(click.id, 1, click.weight, rank ? std::min<double>(*rank, kPropensityWeightMax) : 0);
  }
  for (const Preference& pair : event.preferences) {
    put(pair.preferred, 1, 1, 0);
    put(pair.over, 0, 1, 0);
  }
  for (const PointId& id : event.negatives) put(id, 0, 1, 0);
  for (const Grade& grade : event.grades) put(grade.id, grade.grade, 1, 0);
  std::vector<Judgement> found;
  for (auto& [document, judgement] : by_document) found.push_back(judgement);
  return found;
}

bool JudgementBuilder::Add(const FeedbackEvent& event) {
  ++counts_.events;
  std::vector<Judgement> found = Read(event);
  if (found.empty()) return false;
  ++counts_.events_used;
  const XXH128_hash_t hash = XXH3_128bits(event.query.data(), event.query.size() * sizeof(float));
  const auto [query, is_new_query] =
      queries_.emplace(QueryHash{hash.low64, hash.high64}, static_cast<int32_t>(queries_.size()));
  int32_t user = -1;
  if (!event.user.empty()) {
    user = users_.emplace(event.user, static_cast<int32_t>(users_.size())).first->second;
  }
  for (Judgement& judgement : found) {
    judgement.query = query->second;
    judgement.user = user;
    if (user < 0) {
      judgements_.push_back(judgement);
      continue;
    }
    const auto [place, is_new] =
        latest_.emplace(PairKey{user, judgement.query, judgement.document}, judgements_.size());
    if (is_new) {
      judgements_.push_back(judgement);
    } else if (judgement.time_ms >= judgements_[place->second].time_ms) {
      judgements_[place->second] = judgement;
    }
  }
  return is_new_query;
}

void JudgementBuilder::NormalisePropensities() {
  double sum = 0;
  double count = 0;
  for (const Judgement& judgement : judgements_) {
    if (judgement.propensity_weight <= 0) continue;
    sum += judgement.propensity_weight;
    count += 1;
  }
  for (Judgement& judgement : judgements_) {
    const double propensity_weight = judgement.propensity_weight;
    if (propensity_weight > 0) judgement.weight *= propensity_weight * count / sum;
  }
}

double UserWeightCap(std::vector<double> user_weights, double unattributed, double share) {
  ALMAGEST_CHECK(share > 0);
  std::sort(user_weights.begin(), user_weights.end(), std::greater<>());
  double rest = unattributed;
  for (const double weight : user_weights) rest += weight;
  // With the `capped` heaviest users at the cap c: c = share * (rest + capped * c).
  for (size_t capped = 0; capped < user_weights.size(); ++capped) {
    const double head = share * static_cast<double>(capped);
    if (head >= 1) break;
    const double cap = share * rest / (1 - head);
    if (user_weights[capped] <= cap) {
      return capped == 0 ? std::numeric_limits<double>::infinity() : cap;
    }
    rest -= user_weights[capped];
  }
  // Only when 1 / share or fewer users bear everything: equal weights are the most one can do.
  return user_weights.empty() ? std::numeric_limits<double>::infinity() : user_weights.back();
}

// Who says of query after query that one document answers it is not believed each time anew.
void JudgementBuilder::CapDocuments() {
  struct Said {
    double sum = 0;
    double heaviest = 0;
  };
  std::map<std::pair<int32_t, int32_t>, Said> said;  // By user and document.
  const auto counts = [](const Judgement& judgement) {
    return judgement.user >= 0 && judgement.grade > 0;
  };
  for (const Judgement& judgement : judgements_) {
    if (!counts(judgement)) continue;
    Said& of = said[{judgement.user, judgement.document}];
    of.sum += judgement.weight;
    of.heaviest = std::max(of.heaviest, judgement.weight);
  }
  for (Judgement& judgement : judgements_) {
    if (!counts(judgement)) continue;
    const Said& of = said.at({judgement.user, judgement.document});
    const double cap = kUserDocumentQueries * of.heaviest;
    if (of.sum > cap) judgement.weight *= cap / of.sum;
  }
}

std::vector<double> JudgementBuilder::UserWeights(double* unattributed) const {
  std::vector<double> weights(users_.size(), 0.0);
  *unattributed = 0;
  for (const Judgement& judgement : judgements_) {
    (judgement.user < 0 ? *unattributed : weights[static_cast<size_t>(judgement.user)]) +=
        judgement.weight;
  }
  return weights;
}

void JudgementBuilder::MeasureShares() {
  double total = 0;
  const std::vector<double> weights = UserWeights(&total);
  if (weights.empty()) return;
  for (const double weight : weights) total += weight;
  if (total <= 0) return;
  counts_.largest_user_share = *std::max_element(weights.begin(), weights.end()) / total;
}

void JudgementBuilder::CapUsers() {
  double unattributed = 0;
  const std::vector<double> given = UserWeights(&unattributed);
  CapDocuments();
  const std::vector<double> weights = UserWeights(&unattributed);
  const double share = std::max(kUserShareMax, 2 / static_cast<double>(weights.size()));
  const double cap = UserWeightCap(weights, unattributed, share);
  for (Judgement& judgement : judgements_) {
    if (judgement.user < 0) continue;
    const double weight = weights[static_cast<size_t>(judgement.user)];
    if (weight > cap) judgement.weight *= cap / weight;
  }
  constexpr double kRounding = 1e-9;
  for (size_t i = 0; i < given.size(); ++i) {
    counts_.users_capped += std::min(weights[i], cap) < given[i] * (1 - kRounding) ? 1 : 0;
  }
}

Judgements JudgementBuilder::Finish(JudgementCounts* counts) {
  latest_.clear();
  counts_.users = users_.size();
  counts_.judgements = judgements_.size();
  NormalisePropensities();
  MeasureShares();
  if (users_.size() >= kUserCapUsersMin) CapUsers();
  std::sort(judgements_.begin(), judgements_.end(), [](const Judgement& a, const Judgement& b) {
    return std::tie(a.query, a.document, a.user, a.time_ms, a.grade) <
           std::tie(b.query, b.document, b.user, b.time_ms, b.grade);
  });
  Judgements columns;
  for (const Judgement& judgement : judgements_) {
    counts_.relevant += judgement.grade > 0 ? 1 : 0;
    columns.query.push_back(judgement.query);
    columns.document.push_back(judgement.document);
    columns.grade.push_back(judgement.grade);
    // The trainer refuses a weight of zero, which a tiny float may round to.
    columns.weight.push_back(
        std::max(static_cast<float>(judgement.weight), std::numeric_limits<float>::min()));
    columns.user.push_back(judgement.user);
  }
  *counts = counts_;
  return columns;
}

}  // namespace almagest

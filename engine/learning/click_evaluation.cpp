#include "engine/learning/click_evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "engine/learning/counterfactual.h"
#include "engine/learning/exploration.h"
#include "engine/search/query_executor.h"

namespace almagest {
namespace {

constexpr uint64_t kEventsAtOnce = 1'000;

std::string ShortNumber(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

Result<> CheckWithin(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return {};
  return Fail(ErrorCode::kOutOfRange, std::string(name) + " is " + ShortNumber(value) +
                                          ", it must be from " + ShortNumber(low) + " to " +
                                          ShortNumber(high));
}

Result<> CheckRequest(const ClickEvaluationRequest& request) {
  ALMAGEST_TRY_VOID(CheckWithin("k", request.k, 1, kClickDepthMax));
  ALMAGEST_TRY_VOID(CheckWithin("position_bias", request.position_bias, 0, kPositionBiasMax));
  ALMAGEST_TRY_VOID(CheckWithin("clip", request.clip.value_or(1), 1, kClipMax));
  return CheckWithin("the number of versions", static_cast<double>(request.versions.size()), 0,
                     kClickVersionsMax);
}

// The versions asked for, or else the active one and the newest of the others.
Result<std::vector<VersionId>> ChooseVersions(const ClickEvaluationRequest& request,
                                              const VersionSet& versions) {
  for (const VersionId version : request.versions) {
    if (versions.Find(version) != nullptr) continue;
    return Fail(ErrorCode::kNotFound,
                "vector '" + request.vector_name + "' has no version " + std::to_string(version));
  }
  if (!request.versions.empty()) return request.versions;
  std::vector<VersionId> chosen = {versions.active()};
  std::optional<VersionId> other;
  for (const AdapterVersion& version : versions.versions()) {
    if (version.id != versions.active()) other = std::max(other.value_or(0), version.id);
  }
  if (other) chosen.push_back(*other);
  return chosen;
}

class ClickEvaluator {
 public:
  ClickEvaluator(const Collection& collection, const ClickEvaluationRequest& request,
                 std::vector<VersionId> versions)
      : collection_(collection), request_(request), values_(versions.size()) {
    report_.versions = std::move(versions);
  }

  Result<> Add(const FeedbackEvent& event);
  ClickEvaluationReport Finish();

 private:
  struct Values {
    std::vector<double> reciprocal, discounted;  // One entry per click.
  };
  // Ranks of points from 1.
  using Ranks = std::unordered_map<PointId, size_t, PointIdHash>;

  Result<Ranks> RankCandidates(const FeedbackEvent& event, VersionId version) const;
  std::optional<std::string> Lacking() const;
  ClickValues Estimate(const Values& values) const;

  const Collection& collection_;
  const ClickEvaluationRequest& request_;
  ClickEvaluationReport report_;
  // Per click.
  std::vector<double> probabilities_;
  std::vector<size_t> searches_;
  std::vector<Values> values_;  // Per version.
  ClickWeights weights_;
  InterleavingCounter interleaving_;

  std::unordered_set<std::string> seen_searches_;
  std::unordered_map<std::string, size_t> logged_searches_;  // Numbers by query id.
  std::set<std::pair<size_t, PointId>> seen_clicks_;
};

Result<ClickEvaluator::Ranks> ClickEvaluator::RankCandidates(const FeedbackEvent& event,
                                                             VersionId version) const {
  QueryRequest query;
  query.root.query = NearestQuery{event.query};
  query.root.using_vector = request_.vector_name;
  query.root.filter.emplace().must.push_back(HasIdCondition{event.exploration->candidates});
  query.root.params.exact = true;
  query.root.limit = event.exploration->candidates.size();
  query.as_version = version;
  query.deadline = request_.deadline;
  ALMAGEST_TRY(const auto hits, ExecuteQuery(collection_, query));
  Ranks ranks;
  for (size_t i = 0; i < hits.size(); ++i) ranks.emplace(hits[i].id, i + 1);
  return ranks;
}

Result<> ClickEvaluator::Add(const FeedbackEvent& event) {
  if (!event.query_id || event.clicks.empty()) return {};
  interleaving_.Add(event);
  if (event.interleaved) return {};
  if (seen_searches_.insert(*event.query_id).second) ++report_.searches;
  if (!event.exploration || event.exploration->candidates.empty()) return {};
  const LoggedExploration& log = *event.exploration;
  const auto [search, is_new] =
      logged_searches_.try_emplace(*event.query_id, logged_searches_.size());
  if (is_new) {
    ++report_.searches_logged;
    report_.searches_explored += log.explored ? 1 : 0;
  }
  std::vector<Ranks> ranks;
  for (const VersionId version : report_.versions) {
    ALMAGEST_TRY(ranks.emplace_back(), RankCandidates(event, version));
  }
  for (const Click& click : event.clicks) {
    const double probability =
        SeenProbability(log, CandidateRank(log, click.id), request_.position_bias);
    if (!click.shown_probability || probability <= 0 || !ranks.front().contains(click.id)) {
      ++report_.clicks_left_out;
      continue;
    }
    if (!seen_clicks_.emplace(search->second, click.id).second) continue;
    probabilities_.push_back(probability);
    searches_.push_back(search->second);
    for (size_t i = 0; i < ranks.size(); ++i) {
      const auto found = ranks[i].find(click.id);
      const size_t rank = found == ranks[i].end() ? 0 : found->second;
      const bool counts = rank >= 1 && rank <= request_.k;
      values_[i].reciprocal.push_back(counts ? 1 / static_cast<double>(rank) : 0);
      values_[i].discounted.push_back(counts ? 1 / std::log2(1 + static_cast<double>(rank)) : 0);
    }
  }
  return {};
}

// What an estimate would need and has not, in one sentence.
std::optional<std::string> ClickEvaluator::Lacking() const {
  const std::string searches = std::to_string(report_.searches);
  if (report_.searches == 0) return "no click names a search of one version by its query id";
  if (report_.searches_explored == 0) {
    return "not enough exploration: none of the " + searches +
           " searches with clicks explored, so the clicks say nothing of what was not shown; the "
           "policy's `exploration` changes that";
  }
  if (report_.searches_explored < kExploredSearchesMin) {
    return "not enough exploration: " + std::to_string(report_.searches_explored) + " of the " +
           searches + " searches with clicks explored, at least " +
           std::to_string(kExploredSearchesMin) + " are needed";
  }
  if (report_.effective_sample_size < kEffectiveSampleMin) {
    return "the clicks tell as much as those of " + ShortNumber(report_.effective_sample_size) +
           " searches of equal weight (the effective sample size), at least " +
           ShortNumber(kEffectiveSampleMin) + " are needed";
  }
  return std::nullopt;
}

ClickValues ClickEvaluator::Estimate(const Values& values) const {
  return {EstimateValue(weights_.weights, searches_, values.reciprocal),
          EstimateValue(weights_.weights, searches_, values.discounted)};
}

ClickEvaluationReport ClickEvaluator::Finish() {
  using Verdict = ClickEvaluationReport::Verdict;
  report_.interleavings = interleaving_.Finish();
  weights_ = WeighClicks(probabilities_, request_.clip);
  report_.clicks = probabilities_.size();
  report_.clip = weights_.clip;
  report_.clipped_share = weights_.clipped_share;
  report_.effective_sample_size = EffectiveSampleSize(weights_.weights, searches_);
  if (const auto lacking = Lacking()) {
    const bool explored = report_.searches_explored >= kExploredSearchesMin;
    report_.verdict = explored ? Verdict::kInsufficientData : Verdict::kNoExploration;
    report_.reason = *lacking;
    return std::move(report_);
  }
  report_.verdict = Verdict::kEstimated;
  report_.reason = "estimated from " + std::to_string(report_.clicks) + " clicks of " +
                   std::to_string(report_.searches_logged) + " searches, " +
                   std::to_string(report_.searches_explored) + " of which explored";
  for (size_t i = 0; i < values_.size(); ++i) {
    ClickEvaluationResult& result = report_.results.emplace_back();
    result.version = report_.versions[i];
    result.values = Estimate(values_[i]);
    if (i == 0) continue;
    Values differences = values_[i];
    for (size_t at = 0; at < searches_.size(); ++at) {
      differences.reciprocal[at] -= values_[0].reciprocal[at];
      differences.discounted[at] -= values_[0].discounted[at];
    }
    result.over_first = Estimate(differences);
  }
  return std::move(report_);
}

}  // namespace

std::string_view VerdictName(ClickEvaluationReport::Verdict verdict) {
  switch (verdict) {
    case ClickEvaluationReport::Verdict::kEstimated:
      return "estimated";
    case ClickEvaluationReport::Verdict::kNoExploration:
      return "no_exploration";
    case ClickEvaluationReport::Verdict::kInsufficientData:
      return "insufficient_data";
  }
  return "";
}

Result<ClickEvaluationReport> EvaluateClicks(const Collection& collection,
                                             const FeedbackStore& feedback,
                                             const ClickEvaluationRequest& request) {
  ALMAGEST_TRY_VOID(CheckRequest(request));
  ALMAGEST_TRY(const auto versions, collection.Versions(request.vector_name));
  ALMAGEST_TRY(auto chosen, ChooseVersions(request, *versions));
  for (const VersionId version : chosen) {
    ALMAGEST_TRY_VOID(collection.PrepareVersion(request.vector_name, version));
  }
  ClickEvaluator evaluator(collection, request, std::move(chosen));
  FeedbackFilter filter;
  filter.vector_name = request.vector_name;
  filter.from_ms = request.from_ms;
  filter.until_ms = request.until_ms;
  for (std::optional<uint64_t> next = 1; next;) {
    ALMAGEST_TRY(const FeedbackPage page,
                 feedback.List(collection.id(), filter, *next, kEventsAtOnce));
    for (const FeedbackEvent& event : page.events) {
      if (request.deadline.Expired()) {
        return Fail(ErrorCode::kTimeout, "the evaluation did not end within its time limit");
      }
      ALMAGEST_TRY_VOID(evaluator.Add(event));
    }
    next = page.next_id;
  }
  return evaluator.Finish();
}

}  // namespace almagest

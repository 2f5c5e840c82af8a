#include "training/gate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "storage/base/check.h"
#include "training/metrics.h"

namespace almagest::training {
namespace {

constexpr double kReportedConfidence = 0.95;

// A share of 1 as percent, without the sign.
std::string Percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", 100 * share);
  return text;
}

std::string Number(double value, bool sign = false) {
  char text[32];
  std::snprintf(text, sizeof text, sign ? "%+.4f" : "%.4f", value);
  return text;
}

GateCondition EnoughQueries(const GateInput& input, const GateOptions& options) {
  const size_t count = input.group.size();
  const bool passed = count >= static_cast<size_t>(options.queries_min);
  return {"held_out_queries", static_cast<double>(count), static_cast<double>(options.queries_min),
          passed,
          "There are " + std::to_string(count) +
              " held-out queries with a relevant document; at "
              "least " +
              std::to_string(options.queries_min) + " are needed to judge a gain."};
}

GateCondition Gain(const GateInput& input, const GateOptions& options) {
  const double confidence = 1 - GateLevel(options.alpha, input.gate_number);
  const Interval gain =
      PairedGain(input.trained, input.active, input.group, confidence, input.weight);
  const bool passed = gain.low > options.min_gain;
  std::string text = "nDCG@10 on held-out queries changed by " + Number(gain.mean, true) +
                     " against the active version (" + Percent(confidence) + " % interval " +
                     Number(gain.low, true) + " to " + Number(gain.high, true) +
                     ", this being gate " + std::to_string(input.gate_number) +
                     " on this feedback); the lower end ";
  text += passed ? "is above " : "must be above ";
  return {"gain_over_active", gain.low, options.min_gain, passed,
          text + Number(options.min_gain, true) + "."};
}

void AddCompatibility(const GateInput& input, const GateOptions& options,
                      std::vector<GateCondition>* conditions) {
  for (const LiveVersionQuality& live : input.live) {
    const Interval change =
        PairedGain(live.across, live.own, input.group, kReportedConfidence, input.weight);
    const std::string version = std::to_string(live.version);
    const std::string facts = "New queries on documents of version " + version + " reach nDCG@10 " +
                              Number(Mean(live.across)) + ", version " + version + " itself " +
                              Number(Mean(live.own)) + ": " + Number(change.mean, true) +
                              " (95 % interval " + Number(change.low, true) + " to " +
                              Number(change.high, true) + "); ";
    conditions->push_back(
        {"compatible_with_" + version, change.mean, -options.compatibility_margin,
         change.mean >= -options.compatibility_margin,
         facts + "the mean may not be below " + Number(-options.compatibility_margin, true) + "."});
    conditions->push_back({"compatible_with_" + version + "_bound", change.low,
                           -options.compatibility_bound_margin,
                           change.low > -options.compatibility_bound_margin,
                           facts + "the lower end must be above " +
                               Number(-options.compatibility_bound_margin, true) + "."});
  }
}

void AddGeometry(const GateInput& input, const GateOptions& options,
                 std::vector<GateCondition>* conditions) {
  conditions->push_back(
      {"geometry_finite", input.geometry_finite ? 1.0 : 0.0, 1, input.geometry_finite,
       input.geometry_finite ? "All weights of the new version are finite numbers."
                             : "A weight of the new version is not a finite number."});
  const double ratio =
      input.base_effective_rank > 0 ? input.effective_rank / input.base_effective_rank : 0;
  conditions->push_back({"effective_rank", ratio, options.effective_rank_ratio_min,
                         ratio >= options.effective_rank_ratio_min,
                         "The adapted documents use " + Number(input.effective_rank) +
                             " effective dimensions, the base documents " +
                             Number(input.base_effective_rank) + "; the ratio " + Number(ratio) +
                             " may not be below " + Number(options.effective_rank_ratio_min) +
                             " (lower means collapsed vectors)."});
}

// A few queries may well share a new best answer, whatever share of a small held-out set they are.
constexpr size_t kNewlyShownAlways = 10;

GateCondition OneDocument(const NewlyShown& shown, const GateOptions& options) {
  const auto count = static_cast<double>(std::max<size_t>(shown.of_queries, 1));
  const double share = static_cast<double>(shown.queries) / count;
  const bool passed = shown.queries <= kNewlyShownAlways || share <= options.most_shown_share_max;
  return {"most_shown_document", share, options.most_shown_share_max, passed,
          "One document (row " + std::to_string(shown.document) +
              " of the exported documents) is newly among the first ten results of " +
              std::to_string(shown.queries) + " of " + std::to_string(shown.of_queries) +
              " held-out queries; more than " + Percent(options.most_shown_share_max) +
              " % of them (and more than " + std::to_string(kNewlyShownAlways) +
              ") would look like feedback planted for it."};
}

void AddDrift(const DriftValues& drift, const GateOptions& options,
              std::vector<GateCondition>* conditions) {
  conditions->push_back(
      {"guard_overlap", drift.overlap_at_10, options.overlap_min,
       drift.overlap_at_10 >= options.overlap_min,
       std::string("Of the first ten results of ") +
           (drift.guarded ? "recent searches" : "documents searched for by themselves") +
           ", which nobody judged, the new version keeps " + Percent(drift.overlap_at_10) +
           " %; at least " + Percent(options.overlap_min) + " % are asked for."});
  conditions->push_back(
      {"self_retrieval", drift.self_retrieval, options.self_retrieval_min,
       drift.self_retrieval >= options.self_retrieval_min,
       Percent(drift.self_retrieval) +
           " % of the documents are among the first ten results for themselves; at least " +
           Percent(options.self_retrieval_min) + " % are asked for."});
}

GateCondition LeaveTopUserOut(const WithoutTopUser& without, const GateOptions& options) {
  const std::string who =
      "The heaviest user bears " + Percent(without.share) + " % of the judgement weight; ";
  if (without.trained.empty()) {
    return {"gain_without_top_user", 0, options.min_gain, false,
            who + "without that user nothing is left to learn from."};
  }
  const Interval gain = PairedGain(without.trained, without.active, without.group);
  return {"gain_without_top_user", gain.low, options.min_gain, gain.low > options.min_gain,
          who + "trained without that user, nDCG@10 changes by " + Number(gain.mean, true) +
              " (95 % interval " + Number(gain.low, true) + " to " + Number(gain.high, true) +
              "); the lower end must be above " + Number(options.min_gain, true) + "."};
}

}  // namespace

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPromote:
      return "promote";
    case Verdict::kReject:
      return "reject";
    case Verdict::kInsufficientData:
      return "insufficient_data";
  }
  return "insufficient_data";
}

Interval PairedGain(std::span<const double> after, std::span<const double> before,
                    std::span<const int32_t> group, double confidence,
                    std::span<const double> weight) {
  ALMAGEST_CHECK(after.size() == before.size() && after.size() == group.size());
  ALMAGEST_CHECK(weight.empty() || weight.size() == group.size());
  struct Sums {
    double weight = 0;      // Of the group's queries,
    double difference = 0;  // and that times the difference.
    double queries = 0;
  };
  std::map<int32_t, Sums> by_group;
  for (size_t i = 0; i < group.size(); ++i) {
    Sums& sums = by_group[group[i]];
    const double counts = weight.empty() ? 1.0 : weight[i];
    sums.weight += counts;
    sums.difference += counts * (after[i] - before[i]);
    sums.queries += 1;
  }
  // A group counts as one query of its mean weight. Scaled so that the plain mean of these values
  // is the weighted mean of the differences.
  double total = 0;
  for (const auto& [id, sums] : by_group) total += sums.weight / sums.queries;
  const double scale = total > 0 ? static_cast<double>(by_group.size()) / total : 0;
  std::vector<double> differences;
  differences.reserve(by_group.size());
  for (const auto& [id, sums] : by_group) {
    differences.push_back(scale * sums.difference / sums.queries);
  }
  constexpr double kTailResamples = 50;  // On average beyond both ends.
  const double resamples = std::clamp(kTailResamples / (1 - confidence), 2e3, 1e5);
  return BootstrapMean(differences, confidence, static_cast<int>(resamples));
}

double GateLevel(double alpha, int64_t gate_number) {
  const double n = static_cast<double>(std::max<int64_t>(gate_number, 1));
  return alpha * 6 / (M_PI * M_PI * n * n);
}

GateCondition TrustedCondition(const TrustedValues& trusted, const GateOptions& options) {
  const double limit = -options.trusted_margin;
  const TrustedCounts& counts = trusted.counts;
  const size_t measured = trusted.group.size();
  const std::string gone = std::to_string(counts.judgements_gone) +
                           " judgements name points that were deleted since they were sent";
  if (measured == 0) {
    return {"trusted_judgements", 0, limit, false,
            "None of the " + std::to_string(counts.given) +
                " trusted queries has a relevant document left: " + gone +
                ". So nothing tells whether the version keeps what they ask for."};
  }
  const Interval change = PairedGain(trusted.trained, trusted.active, trusted.group);
  const bool passed = change.low > limit;
  std::string text = "On " + std::to_string(measured) + " trusted queries, ";
  text += counts.also_in_feedback == 0
              ? "none of which users judged"
              : std::to_string(counts.also_in_feedback) +
                    " of which users judged, too, so that their answers may have been learned";
  text += ", nDCG@10 goes from " + Number(Mean(trusted.active)) + " to " +
          Number(Mean(trusted.trained)) + ": " + Number(change.mean, true) + " (95 % interval " +
          Number(change.low, true) + " to " + Number(change.high, true) + "); the lower end " +
          (passed ? "is above " : "must be above ") + Number(limit, true) + ".";
  if (!passed && change.mean > limit) text += " More trusted queries would narrow the interval.";
  if (counts.judgements_gone > 0) {
    text += " " + gone + "; " + std::to_string(counts.given - measured) + " of " +
            std::to_string(counts.given) + " queries were left out for it.";
  }
  return {"trusted_judgements", change.low, limit, passed, text};
}

GateDecision DecideGate(const GateInput& input, const GateOptions& options) {
  GateDecision decision;
  decision.gain =
      PairedGain(input.trained, input.active, input.group, kReportedConfidence, input.weight);
  decision.conditions.push_back(EnoughQueries(input, options));
  decision.conditions.push_back(Gain(input, options));
  AddCompatibility(input, options, &decision.conditions);
  AddGeometry(input, options, &decision.conditions);
  decision.conditions.push_back({"user_share", input.user_share, options.user_share_max,
                                 input.user_share <= options.user_share_max,
                                 "One user accounts for at most " + Percent(input.user_share) +
                                     " % of the judgement weight; the limit is " +
                                     Percent(options.user_share_max) + " %."});
  decision.conditions.push_back(OneDocument(input.newly_shown, options));
  AddDrift(input.drift, options, &decision.conditions);
  if (input.without_top_user) {
    decision.conditions.push_back(LeaveTopUserOut(*input.without_top_user, options));
  }
  decision.verdict = Verdict::kPromote;
  for (const GateCondition& condition : decision.conditions) {
    if (!condition.passed) decision.verdict = Verdict::kReject;
  }
  if (!decision.conditions.front().passed) decision.verdict = Verdict::kInsufficientData;
  if (input.trusted) {
    decision.conditions.push_back(TrustedCondition(*input.trusted, options));
    if (!decision.conditions.back().passed) decision.verdict = Verdict::kReject;
  }
  return decision;
}

}  // namespace almagest::training

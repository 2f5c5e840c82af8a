#include "training/bridge_measure.h"

#include <algorithm>
#include <random>

#include "training/metrics.h"
#include "training/score_calibration.h"

namespace almagest::training {
namespace {

constexpr int64_t kCalibrationDepth = 100;

std::span<const float> ScoresOf(const ScoredLists& lists, size_t probe) {
  const auto depth = static_cast<size_t>(lists.depth);
  return std::span(lists.scores).subspan(probe * depth, depth);
}

std::span<const int32_t> DocumentsOf(const ScoredLists& lists, size_t probe) {
  const auto depth = static_cast<size_t>(lists.depth);
  return std::span(lists.documents).subspan(probe * depth, depth);
}

// Scores of places that hold a document, of the first `depth` of each list.
std::vector<float> TakeScores(const ScoredLists& lists, std::span<const float> scores,
                              int64_t depth) {
  std::vector<float> taken;
  for (size_t i = 0; i < scores.size(); ++i) {
    const bool is_first = static_cast<int64_t>(i) % lists.depth < depth;
    if (is_first && lists.documents[i] >= 0) taken.push_back(scores[i]);
  }
  return taken;
}

}  // namespace

MixedSearch::MixedSearch(const BridgeSpace& space, const BridgeMap& map, const MonotoneCurve& curve,
                         int64_t documents, uint64_t seed)
    : space_(space), map_(map), curve_(curve) {
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < documents; ++i) {
    draw_.push_back(static_cast<double>(random() >> 11) * 0x1p-53);
  }
}

std::vector<int32_t> MixedSearch::Run(const Probes& probes, double share) const {
  std::vector<uint8_t> is_new(draw_.size());
  std::vector<uint8_t> is_old(draw_.size());
  for (size_t i = 0; i < draw_.size(); ++i) {
    is_new[i] = draw_[i] < share ? 1 : 0;
    is_old[i] = is_new[i] == 0 ? 1 : 0;
  }
  const ScoredLists by_new = space_.SearchFrom(probes, is_new, kBridgeDepth);
  const ScoredLists by_old = space_.SearchMapped(map_, probes, is_old, kBridgeDepth);
  std::vector<int32_t> merged;
  for (size_t i = 0; i < probes.rows.size(); ++i) {
    auto list = MergeByScore(DocumentsOf(by_new, i), ScoresOf(by_new, i), DocumentsOf(by_old, i),
                             ScoresOf(by_old, i), curve_, kBridgeDepth);
    list.resize(kBridgeDepth, -1);
    merged.insert(merged.end(), list.begin(), list.end());
  }
  return merged;
}

std::vector<int32_t> MergeByScore(std::span<const int32_t> first, std::span<const float> scores,
                                  std::span<const int32_t> second, std::span<const float> mapped,
                                  const MonotoneCurve& curve, size_t depth) {
  std::vector<int32_t> merged;
  size_t i = 0;
  size_t j = 0;
  const auto holds = [](std::span<const int32_t> list, size_t at) {
    return at < list.size() && list[at] >= 0;
  };
  while (merged.size() < depth && (holds(first, i) || holds(second, j))) {
    const bool take_first = holds(first, i) && (!holds(second, j) || scores[i] >= curve(mapped[j]));
    merged.push_back(take_first ? first[i++] : second[j++]);
  }
  return merged;
}

std::vector<double> Overlap(std::span<const int32_t> found, std::span<const int32_t> truth) {
  std::vector<double> shares;
  for (size_t at = 0; at < truth.size(); at += kBridgeDepth) {
    const auto wanted = truth.subspan(at, kBridgeDepth);
    const auto list = found.subspan(at, kBridgeDepth);
    double hits = 0;
    double all = 0;
    for (const int32_t document : wanted) {
      if (document < 0) continue;
      all += 1;
      if (std::ranges::find(list, document) != list.end()) hits += 1;
    }
    shares.push_back(all > 0 ? hits / all : 0);
  }
  return shares;
}

std::vector<double> NdcgAt10(std::span<const int32_t> found, std::span<const JudgedQuery> judged) {
  std::vector<double> values;
  for (size_t i = 0; i < judged.size(); ++i) {
    const auto list = found.subspan(i * kBridgeDepth, kBridgeDepth);
    const auto end = std::ranges::find(list, -1);
    values.push_back(
        MeasureRanking(list.first(static_cast<size_t>(end - list.begin())), judged[i].documents)
            .ndcg_at_10);
  }
  return values;
}

Result<Calibrations> FitCalibrations(const BridgeSpace& space, const BridgeMap& map,
                                     const Probes& probes) {
  const ScoredLists wanted = space.SearchFrom(probes, {}, kCalibrationDepth);
  const ScoredLists mapped = space.SearchMapped(map, probes, {}, kCalibrationDepth);
  Calibrations calibrations;
  calibrations.raw_distance = DistributionDistance(TakeScores(wanted, wanted.scores, kBridgeDepth),
                                                   TakeScores(mapped, mapped.scores, kBridgeDepth));
  const std::vector<float> best_wanted = TakeScores(wanted, wanted.scores, kCalibrationDepth);
  const std::vector<float> best_mapped = TakeScores(mapped, mapped.scores, kCalibrationDepth);
  ALMAGEST_TRY(auto quantiles, MatchQuantiles(best_mapped, best_wanted));
  calibrations.curves.emplace_back("quantiles", std::move(quantiles));
  // Pairs of both lists: what the bridge finds, and what it should have found.
  std::vector<float> x = best_mapped;
  std::vector<float> y = TakeScores(mapped, space.ScoreFrom(probes, mapped), kCalibrationDepth);
  const auto more_x = TakeScores(wanted, space.ScoreMapped(map, probes, wanted), kCalibrationDepth);
  x.insert(x.end(), more_x.begin(), more_x.end());
  y.insert(y.end(), best_wanted.begin(), best_wanted.end());
  // It cannot be fitted where the two have nothing to do with each other.
  if (auto isotonic = FitIsotonic(x, y)) {
    calibrations.curves.emplace_back("isotonic", *std::move(isotonic));
  }
  return calibrations;
}

}  // namespace almagest::training

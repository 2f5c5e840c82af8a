#include "training/fusion_tuning.h"

#include <algorithm>
#include <cstdio>
#include <unordered_map>

#include "training/gate.h"
#include "training/metrics.h"

namespace almagest::training {
namespace {

constexpr double kRankConstants[] = {2, 10, 60};
// Shares of the dense leg; the two weights add up to 2, so that equal ones are 1.
constexpr double kDenseShares[] = {0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95};
constexpr double kAppended = 0.001;

using List = std::vector<int32_t>;

std::vector<double> Quality(std::span<const FusionQuery> queries, auto&& ranking_of) {
  std::vector<double> quality;
  for (const FusionQuery& query : queries) {
    const List ranking = ranking_of(query);
    quality.push_back(MeasureRanking(ranking, query.judged->documents).ndcg_at_10);
  }
  return quality;
}

std::vector<double> FusedQuality(std::span<const FusionQuery> queries,
                                 const FusionWeights& weights) {
  return Quality(queries, [&](const FusionQuery& query) {
    return FuseRanks(query.dense, query.text, weights, 10);
  });
}

std::string Numbers(const char* format, double a, double b, double c, double d) {
  char text[320];
  std::snprintf(text, sizeof text, format, a, b, c, d);
  return text;
}

}  // namespace

std::vector<int32_t> FuseRanks(std::span<const int32_t> dense, std::span<const int32_t> text,
                               const FusionWeights& weights, size_t depth) {
  std::unordered_map<int32_t, double> scores;
  const auto add = [&](std::span<const int32_t> list, double weight) {
    for (size_t rank = 0; rank < list.size(); ++rank) {
      scores[list[rank]] += 1 / (static_cast<double>(rank + 1) / weight + weights.k - 1);
    }
  };
  add(dense, weights.dense);
  add(text, weights.text);
  std::vector<std::pair<double, int32_t>> order;
  for (const auto& [document, score] : scores) order.emplace_back(-score, document);
  std::sort(order.begin(), order.end());
  List ranking;
  for (size_t i = 0; i < std::min(depth, order.size()); ++i) ranking.push_back(order[i].second);
  return ranking;
}

FusionChoice TuneFusion(std::span<const FusionQuery> queries) {
  FusionChoice choice;
  choice.queries = queries.size();
  std::vector<int32_t> group;
  for (const FusionQuery& query : queries) group.push_back(query.group);
  const auto dense = Quality(queries, [](const FusionQuery& query) { return query.dense; });
  const auto text = Quality(queries, [](const FusionQuery& query) { return query.text; });
  choice.dense_ndcg_at_10 = Mean(dense);
  choice.text_ndcg_at_10 = Mean(text);
  choice.equal_ndcg_at_10 = Mean(FusedQuality(queries, {}));
  const bool dense_leads = choice.dense_ndcg_at_10 >= choice.text_ndcg_at_10;
  std::vector<double> best;
  for (const double k : kRankConstants) {
    for (const double share : kDenseShares) {
      const FusionWeights weights{k, 2 * share, 2 * (1 - share)};
      std::vector<double> quality = FusedQuality(queries, weights);
      if (!best.empty() && Mean(quality) <= choice.ndcg_at_10) continue;
      choice.ndcg_at_10 = Mean(quality);
      choice.weights = weights;
      best = std::move(quality);
    }
  }
  choice.gain_over_best_leg = PairedGain(best, dense_leads ? dense : text, group);
  const char* leg = dense_leads ? "dense" : "text";
  const double leg_ndcg = std::max(choice.dense_ndcg_at_10, choice.text_ndcg_at_10);
  if (choice.gain_over_best_leg.low > 0) {
    choice.explanation = Numbers(
        "Fused, the two legs reach nDCG@10 %.4f, the better one alone %.4f: a gain with a 95 %% "
        "interval of %+.4f to %+.4f. ",
        choice.ndcg_at_10, leg_ndcg, choice.gain_over_best_leg.low, choice.gain_over_best_leg.high);
    choice.explanation += Numbers("Weights: dense %.2f, text %.2f, k %.0f.", choice.weights.dense,
                                  choice.weights.text, choice.weights.k, 0);
    return choice;
  }
  choice.explanation = Numbers(
      "The best weights found gain %+.4f over the better leg alone, with a 95 %% interval of %+.4f "
      "to %+.4f, which is not enough: ",
      choice.gain_over_best_leg.mean, choice.gain_over_best_leg.low, choice.gain_over_best_leg.high,
      0);
  choice.explanation += std::string("the ") + leg + " leg leads, the other only appends.";
  choice.weights = {1, dense_leads ? 2.0 : 2 * kAppended, dense_leads ? 2 * kAppended : 2.0};
  choice.ndcg_at_10 = Mean(FusedQuality(queries, choice.weights));
  choice.gain_over_best_leg =
      PairedGain(FusedQuality(queries, choice.weights), dense_leads ? dense : text, group);
  return choice;
}

}  // namespace almagest::training

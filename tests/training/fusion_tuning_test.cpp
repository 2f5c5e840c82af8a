#include "training/fusion_tuning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace almagest::training {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(FuseRanks, MatchesHandComputedScores) {
  // k 2, dense weight 1, text weight 2: a document at rank r adds 1 / ((r + 1) / w + 1).
  // 7: 1/2; 8: 1/3 + 1/1.5 = 1; 9: 1/2 (text, second).  Equal scores: the lower row first.
  const std::vector<int32_t> dense = {7, 8};
  const std::vector<int32_t> text = {8, 9};
  EXPECT_THAT(FuseRanks(dense, text, {2, 1, 2}, 10), ElementsAre(8, 7, 9));
  EXPECT_THAT(FuseRanks(dense, text, {2, 1, 2}, 2), ElementsAre(8, 7));
  EXPECT_THAT(FuseRanks({}, text, {60, 1, 1}, 10), ElementsAre(8, 9));
}

// Each query has one relevant document, number 0. A leg finds it at its first rank with the given
// probability, else not at all; the rest of both lists is noise.
struct Legs {
  std::vector<JudgedQuery> judged;
  std::vector<FusionQuery> queries;
};

Legs MakeLegs(size_t count, double dense_finds, double text_finds, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  Legs legs;
  for (size_t i = 0; i < count; ++i) {
    legs.judged.push_back({static_cast<int32_t>(i), {{0, 1, 1}}});
  }
  for (size_t i = 0; i < count; ++i) {
    FusionQuery query;
    query.judged = &legs.judged[i];
    query.group = static_cast<int32_t>(i);
    const auto fill = [&](double finds, std::vector<int32_t>* list) {
      if (uniform(random) < finds) list->push_back(0);
      while (list->size() < 30) list->push_back(static_cast<int32_t>(1 + random() % 100'000));
    };
    fill(dense_finds, &query.dense);
    fill(text_finds, &query.text);
    legs.queries.push_back(std::move(query));
  }
  return legs;
}

TEST(TuneFusion, LegsThatCompleteEachOtherAreFused) {
  const Legs legs = MakeLegs(400, 0.5, 0.5, 1);
  const FusionChoice choice = TuneFusion(legs.queries);
  EXPECT_EQ(choice.queries, 400u);
  EXPECT_GT(choice.gain_over_best_leg.low, 0);
  EXPECT_GT(choice.ndcg_at_10, std::max(choice.dense_ndcg_at_10, choice.text_ndcg_at_10) + 0.05);
  EXPECT_GE(choice.ndcg_at_10, choice.equal_ndcg_at_10);
  EXPECT_THAT(choice.explanation, HasSubstr("Weights: dense"));
}

TEST(TuneFusion, AUselessLegOnlyAppends) {
  for (const bool dense_leads : {true, false}) {
    const Legs legs = dense_leads ? MakeLegs(200, 0.8, 0, 2) : MakeLegs(200, 0, 0.8, 3);
    const FusionChoice choice = TuneFusion(legs.queries);
    EXPECT_EQ(choice.weights.dense > choice.weights.text, dense_leads);
    // The leading list comes out as it went in.
    EXPECT_EQ(choice.ndcg_at_10, std::max(choice.dense_ndcg_at_10, choice.text_ndcg_at_10));
    const FusionQuery& query = legs.queries[5];
    const auto& lead = dense_leads ? query.dense : query.text;
    EXPECT_EQ(FuseRanks(query.dense, query.text, choice.weights, 10),
              std::vector<int32_t>(lead.begin(), lead.begin() + 10));
    EXPECT_THAT(choice.explanation, HasSubstr("the other only appends"));
  }
}

TEST(TuneFusion, ChanceIsNotEnough) {
  // 20 queries: one more found by the text leg is a gain, but no evidence.
  Legs legs = MakeLegs(20, 1, 0, 4);
  legs.queries[3].dense.erase(legs.queries[3].dense.begin());
  legs.queries[3].text.insert(legs.queries[3].text.begin(), 0);
  const FusionChoice choice = TuneFusion(legs.queries);
  EXPECT_GT(choice.weights.dense, 100 * choice.weights.text);
}

}  // namespace
}  // namespace almagest::training

#include "training/query_topics.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

// Bunches of rows, each around a direction of its own.
torch::Tensor Bunches(int64_t bunches, int64_t rows_each, double noise) {
  const torch::Tensor centres = Normalised(torch::randn({bunches, 24}), Distance::kCosine);
  const torch::Tensor rows = centres.repeat_interleave(rows_each, 0);
  return rows + noise * torch::randn_like(rows);
}

TEST(QueryTopics, RowsOfABunchAreOfOneTopicWhateverTheirLength) {
  torch::manual_seed(1);
  torch::Tensor rows = Bunches(6, 50, 0.05);
  rows = rows * (torch::rand({300, 1}) * 10 + 0.1);
  // More topics than bunches: every bunch has one of its own, or several.
  const std::vector<int32_t> topics = FindTopics(rows, 40, 7);
  ASSERT_EQ(topics.size(), 300u);
  std::map<int32_t, std::set<size_t>> bunches_of;
  for (size_t row = 0; row < topics.size(); ++row) {
    ASSERT_GE(topics[row], 0);
    ASSERT_LT(topics[row], 40);
    bunches_of[topics[row]].insert(row / 50);
  }
  EXPECT_GE(bunches_of.size(), 6u);
  for (const auto& [topic, bunches] : bunches_of) EXPECT_EQ(bunches.size(), 1u) << topic;
  EXPECT_EQ(FindTopics(rows, 40, 7), topics);
  EXPECT_NE(FindTopics(rows, 40, 8), topics);
}

TEST(QueryTopics, RowsAreNearestToTheMeanOfTheirOwnTopic) {
  torch::manual_seed(2);
  const torch::Tensor rows = Normalised(Bunches(8, 40, 0.1), Distance::kCosine);
  const std::vector<int32_t> topics = FindTopics(rows, 8, 1);
  torch::Tensor means = torch::zeros({8, rows.size(1)});
  for (size_t row = 0; row < topics.size(); ++row) {
    means[topics[row]] += rows[static_cast<int64_t>(row)];
  }
  const torch::Tensor nearest = rows.mm(Normalised(means, Distance::kCosine).t()).argmax(1);
  int64_t own = 0;
  for (size_t row = 0; row < topics.size(); ++row) {
    own += nearest[static_cast<int64_t>(row)].item<int64_t>() == topics[row];
  }
  EXPECT_GE(own, 310);  // Ten rounds may not be the last ones.
}

TEST(QueryTopics, NoMoreTopicsThanRowsAndNoneForNone) {
  const torch::Tensor rows = torch::eye(3);
  const std::vector<int32_t> topics = FindTopics(rows, 10, 1);
  EXPECT_EQ(std::set<int32_t>(topics.begin(), topics.end()), (std::set<int32_t>{0, 1, 2}));
  EXPECT_TRUE(FindTopics(rows, 0, 1).empty());
}

}  // namespace
}  // namespace almagest::training

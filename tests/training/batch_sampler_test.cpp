#include "training/batch_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace almagest::training {
namespace {

bool Contains(const std::vector<int32_t>& values, int32_t value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// Queries with several positives out of few documents, so that batches are full of repeats.
std::vector<TrainingQuery> RandomQueries(std::mt19937_64& random, size_t count, int32_t documents) {
  std::vector<TrainingQuery> queries;
  for (size_t i = 0; i < count; ++i) {
    TrainingQuery query;
    query.query = static_cast<int32_t>(i);
    std::set<int32_t> judged;
    while (judged.size() < 5) judged.insert(static_cast<int32_t>(random() % documents));
    for (const int32_t document : judged) {
      if (query.positives.empty() || random() % 2 == 0) {
        query.positives.push_back(document);
        query.positive_weights.push_back(1);
      } else {
        query.negatives.push_back(document);
      }
    }
    query.weight = static_cast<float>(1 + i % 3);
    queries.push_back(std::move(query));
  }
  return queries;
}

TEST(BatchSampler, MasksExactlyKnownPositivesAndRepeats) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto queries = RandomQueries(random, 30, 60);
    BatchSampler sampler(queries, {16, 2, 20, 0.95, 60, seed});
    for (int step = 0; step < 5; ++step) {
      const Batch batch = sampler.Next({});
      const size_t columns = batch.columns.size();
      ASSERT_EQ(batch.queries.size(), 16);
      for (size_t row = 0; row < 16; ++row) {
        const TrainingQuery& query = queries[static_cast<size_t>(batch.queries[row])];
        EXPECT_TRUE(Contains(query.positives, batch.columns[row]));
        EXPECT_EQ(batch.weights[row], query.weight);
        for (size_t column = 0; column < columns; ++column) {
          const int32_t document = batch.columns[column];
          const bool repeat = Contains(
              {batch.columns.begin(), batch.columns.begin() + static_cast<long>(column)}, document);
          const bool expected = column != row && (repeat || Contains(query.positives, document));
          EXPECT_EQ(batch.excluded[row * columns + column] != 0, expected) << row << " " << column;
          if (!repeat) {
            EXPECT_EQ(batch.confirmed[row * columns + column] != 0,
                      Contains(query.negatives, document));
          }
        }
      }
    }
  }
}

// With grades as targets, what is known of a pair is its target instead of a mask; of a document
// that is in the batch twice, one column counts for a row.
TEST(BatchSampler, GradesAreTargetsOfKnownPairs) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    auto queries = RandomQueries(random, 30, 60);
    for (TrainingQuery& query : queries) {
      for (const int32_t document : query.positives) {
        query.positive_grades.push_back(static_cast<float>(1 + document % 4));
      }
    }
    BatchSampler::Options options{16, 2, 20, 0.95, 60, seed};
    options.graded = true;
    BatchSampler sampler(queries, options);
    const Batch batch = sampler.Next({});
    const size_t columns = batch.columns.size();
    for (size_t row = 0; row < 16; ++row) {
      const TrainingQuery& query = queries[static_cast<size_t>(batch.queries[row])];
      std::map<int32_t, int> counted;
      for (size_t column = 0; column < columns; ++column) {
        const int32_t document = batch.columns[column];
        const bool excluded = batch.excluded[row * columns + column] != 0;
        const float grade = batch.grades[row * columns + column];
        counted[document] += !excluded;
        if (!excluded) {
          EXPECT_EQ(grade, Contains(query.positives, document) ? 1 + document % 4 : 0);
        }
      }
      for (const auto& [document, times] : counted) EXPECT_EQ(times, 1) << document;
      EXPECT_EQ(batch.excluded[row * columns + row], 0);
    }
  }
}

TEST(BatchSampler, VisitsEachQueryOncePerEpochAndRepeatsForASeed) {
  std::mt19937_64 random(1);
  const auto queries = RandomQueries(random, 32, 100);
  BatchSampler sampler(queries, {8, 1, 4, 0.95, 100, 5});
  BatchSampler twin(queries, {8, 1, 4, 0.95, 100, 5});
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::set<int32_t> visited;
    for (int64_t step = 0; step < sampler.steps_per_epoch(); ++step) {
      const Batch batch = sampler.Next({});
      EXPECT_EQ(batch.columns, twin.Next({}).columns);
      visited.insert(batch.queries.begin(), batch.queries.end());
    }
    EXPECT_EQ(visited.size(), 32);
    EXPECT_EQ(sampler.epoch(), epoch);
  }
}

// In bits, of the topics of the queries of a batch.
double Entropy(const Batch& batch, const std::vector<int32_t>& topics) {
  std::map<int32_t, double> count;
  for (const int32_t query : batch.queries) ++count[topics[static_cast<size_t>(query)]];
  double entropy = 0;
  for (const auto& [topic, of_topic] : count) {
    const double share = of_topic / static_cast<double>(batch.queries.size());
    entropy -= share * std::log2(share);
  }
  return entropy;
}

TEST(BatchSampler, BatchesAreOfFewTopicsAndAnEpochOfAllQueries) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto queries = RandomQueries(random, 1000, 500);
    std::vector<int32_t> topics;  // Of very different sizes; two of them have no query.
    for (size_t i = 0; i < queries.size(); ++i) {
      const auto drawn = static_cast<int32_t>(std::sqrt(static_cast<double>(random() % 1600)));
      topics.push_back(drawn == 7 || drawn == 30 ? 39 : drawn);
    }
    const BatchSampler::Options options{32, 1, 4, 0.95, 500, seed};
    BatchSampler sampler(queries, options, topics);
    BatchSampler twin(queries, options, topics);
    BatchSampler by_chance(queries, options);
    double entropy = 0;
    double entropy_by_chance = 0;
    std::vector<int32_t> visits;
    std::vector<std::vector<int32_t>> firsts;  // The first batch of each epoch.
    for (int step = 0; step < 125; ++step) {   // Four epochs.
      const Batch batch = sampler.Next({});
      EXPECT_EQ(batch.columns, twin.Next({}).columns);
      entropy += Entropy(batch, topics);
      entropy_by_chance += Entropy(by_chance.Next({}), topics);
      if (visits.size() % 1000 < 32) firsts.push_back(batch.queries);
      visits.insert(visits.end(), batch.queries.begin(), batch.queries.end());
    }
    EXPECT_LT(entropy, entropy_by_chance / 4);
    ASSERT_EQ(visits.size(), 4000u);
    for (long epoch = 0; epoch < 4; ++epoch) {
      EXPECT_EQ(
          std::set<int32_t>(visits.begin() + epoch * 1000, visits.begin() + epoch * 1000 + 1000)
              .size(),
          1000u);
    }
    EXPECT_NE(firsts[0], firsts[1]);
  }
}

TEST(BatchSampler, DrawsPositivesByWeight) {
  TrainingQuery query;
  query.positives = {3, 7};
  query.positive_weights = {1, 3};
  query.weight = 2;
  const std::vector<TrainingQuery> queries = {query};
  BatchSampler sampler(queries, {1, 0, 0, 0.95, 10, 1});
  int heavy = 0;
  for (int i = 0; i < 4000; ++i) heavy += sampler.Next({}).columns[0] == 7;
  EXPECT_NEAR(heavy / 4000.0, 0.75, 0.03);
}

TEST(DrawNegatives, NeverViolatesTheRuleOfItsPositive) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> score(-0.3f, 1.0f);
    MinedQuery mined;
    mined.positive_scores = {score(random), score(random)};
    for (int32_t i = 0; i < 30; ++i) {
      mined.negatives.push_back(i);
      mined.negative_scores.push_back(score(random));
    }
    for (size_t positive = 0; positive < 2; ++positive) {
      const double s = mined.positive_scores[positive];
      const auto drawn = DrawNegatives(mined, positive, 0.9, 8, random);
      EXPECT_EQ(std::set<int32_t>(drawn.begin(), drawn.end()).size(), drawn.size());
      const auto allowed =
          std::count_if(mined.negative_scores.begin(), mined.negative_scores.end(),
                        [&](float value) { return value < s - 0.1 * std::abs(s); });
      EXPECT_EQ(drawn.size(), std::min<size_t>(8, static_cast<size_t>(allowed)));
      for (const int32_t negative : drawn) {
        EXPECT_LT(mined.negative_scores[static_cast<size_t>(negative)], s - 0.1 * std::abs(s));
      }
    }
  }
}

TEST(GroupJudgements, MergesPairsAndDropsQueriesWithoutRelevantDocuments) {
  const std::vector<int32_t> query = {5, 2, 2, 2, 9};
  const std::vector<int32_t> document = {1, 4, 3, 4, 1};
  const std::vector<float> grade = {1, 3, 0, -1, 0};
  const std::vector<float> weight = {1, 1, 2, 3, 1};
  const std::vector<int32_t> user = {0, 0, 1, 1, -1};
  const auto grouped = GroupJudgements({query, document, grade, weight, user});
  ASSERT_EQ(grouped.size(), 1);  // 2's mean grade for 4 is (3 - 3) / 4 = 0; 9 has only a 0.
  EXPECT_EQ(grouped[0].query, 5);
  EXPECT_DOUBLE_EQ(LargestUserShare({query, document, grade, weight, user}), 5.0 / 8);
  const std::vector<float> kinder = {1, 3, 0, 1, 0};
  const auto merged = GroupJudgements({query, document, kinder, weight, user});
  ASSERT_EQ(merged.size(), 2);
  ASSERT_EQ(merged[0].documents.size(), 2);
  EXPECT_EQ(merged[0].documents[1].document, 4);
  EXPECT_FLOAT_EQ(merged[0].documents[1].grade, 1.5f);
  EXPECT_FLOAT_EQ(merged[0].documents[1].weight, 4);
}

TEST(BatchSampler, FewQueriesGiveSeveralOfTheirPositives) {
  std::mt19937_64 random(5);
  const auto queries = RandomQueries(random, 6, 60);
  BatchSampler sampler(queries, {20, 0, 0, 0.95, 60, 1});  // Room for three of each.
  for (int step = 0; step < 5; ++step) {
    const Batch batch = sampler.Next({});
    std::map<int32_t, std::set<int32_t>> drawn;
    std::map<int32_t, float> weight;
    for (size_t row = 0; row < batch.queries.size(); ++row) {
      EXPECT_TRUE(drawn[batch.queries[row]].insert(batch.columns[row]).second) << "drawn twice";
      weight[batch.queries[row]] += batch.weights[row];
    }
    ASSERT_EQ(drawn.size(), 6u);
    for (const auto& [query, documents] : drawn) {
      EXPECT_LE(documents.size(), 3u);
      EXPECT_NEAR(weight[query], queries[static_cast<size_t>(query)].weight, 1e-5);
    }
  }
}

}  // namespace
}  // namespace almagest::training

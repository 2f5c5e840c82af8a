// Groups, facets and the distance matrix against naive twins on seeded random points.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "engine/search/distance_matrix.h"
#include "engine/search/facet.h"
#include "engine/search/grouping.h"
#include "storage/memory_store.h"
#include "tests/engine/search/naive_points.h"

namespace almagest {
namespace {

class Summary : public ::testing::TestWithParam<uint64_t> {
 protected:
  struct Point {
    DenseVector vector;
    std::set<std::string> tags;
    std::optional<int64_t> n;
  };

  void SetUp() override {
    random_.seed(GetParam());
    directory_ =
        std::filesystem::temp_directory_path() /
        ("almagest-summary-" + std::to_string(::getpid()) + "-" + std::to_string(GetParam()));
    std::filesystem::create_directories(directory_);
    CollectionConfig config;
    config.dense[""] = {3, Distance::kDot, {}};
    config.payload_indexes["tag"] = PayloadIndexType::kKeyword;
    config.payload_indexes["n"] = PayloadIndexType::kInteger;
    config.payload_indexes["yes"] = PayloadIndexType::kBool;
    auto opened = Collection::Open(1, "test", config, store_, directory_);
    ASSERT_TRUE(opened) << opened.error().message;
    collection_ = std::move(*opened);
    UpsertOperation upsert;
    for (uint64_t id = 0; id < 300; ++id) {
      Point point{testing::RandomVector(random_, 3), {}, std::nullopt};
      std::string tags;
      for (size_t i = random_() % 4; i > 0; --i) {
        const std::string tag = "t" + std::to_string(random_() % 12);
        tags += (tags.empty() ? "\"" : ",\"") + tag + "\"";
        point.tags.insert(tag);
      }
      std::string payload = "{\"tag\":[" + tags + (tags.empty() ? "" : ",") +
                            "1.5,true],\"yes\":" + (id % 3 == 0 ? "true" : "false");
      if (random_() % 4 != 0) {
        point.n = static_cast<int64_t>(random_() % 9) - 4;
        payload += ",\"n\":" + std::to_string(*point.n);
      }
      PointInput input;
      input.id = id;
      input.vectors[""] = point.vector;
      input.payload = payload + "}";
      upsert.points.push_back(std::move(input));
      points_[id] = std::move(point);
    }
    const std::vector<WriteOperation> operations = {upsert};
    ASSERT_TRUE(collection_->Write(operations));
  }
  void TearDown() override {
    collection_.reset();
    std::filesystem::remove_all(directory_);
  }

  static double Dot(const DenseVector& a, const DenseVector& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
    return sum;
  }
  std::vector<uint64_t> Ranking(const DenseVector& query) const {
    std::vector<uint64_t> ids;
    for (const auto& [id, point] : points_) ids.push_back(id);
    std::ranges::stable_sort(ids, [&](uint64_t a, uint64_t b) {
      return Dot(query, points_.at(a).vector) > Dot(query, points_.at(b).vector);
    });
    return ids;
  }

  std::mt19937_64 random_;
  std::filesystem::path directory_;
  MemoryStore store_;
  std::unique_ptr<Collection> collection_;
  std::map<uint64_t, Point> points_;
};

TEST_P(Summary, GroupsHoldTheBestHitsOfEachValue) {
  SCOPED_TRACE(GetParam());
  for (const auto& [limit, size] : std::vector<std::pair<uint64_t, uint64_t>>{
           {1, 1}, {4, 3}, {12, 50}, {UINT64_MAX, UINT64_MAX}}) {
    const DenseVector query = testing::RandomVector(random_, 3);
    std::vector<std::pair<std::string, std::vector<uint64_t>>> expected;
    for (const uint64_t id : Ranking(query)) {
      // The payload keeps the order of the array; the set does not matter for groups that exist.
      for (const std::string& tag : points_[id].tags) {
        auto group =
            std::ranges::find(expected, tag, [](const auto& entry) { return entry.first; });
        if (group == expected.end()) {
          expected.push_back({tag, {}});
          group = expected.end() - 1;
        }
        if (group->second.size() < size) group->second.push_back(id);
      }
    }
    GroupRequest request;
    request.query.root.query = NearestQuery{query};
    request.query.root.limit = limit;
    request.query.with_payload = {PayloadSelector::Mode::kAll, {}};
    request.group_by = "tag";
    request.group_size = size;
    const auto groups = ExecuteGroups(*collection_, request);
    ASSERT_TRUE(groups) << groups.error().message;
    EXPECT_EQ(groups->size(), std::min<uint64_t>(limit, expected.size()));
    double last_best = INFINITY;
    for (const HitGroup& group : *groups) {
      const std::string& tag = std::get<std::string>(group.id);
      const auto twin =
          std::ranges::find(expected, tag, [](const auto& entry) { return entry.first; });
      ASSERT_NE(twin, expected.end());
      std::vector<uint64_t> ids;
      for (const Hit& hit : group.hits) {
        ids.push_back(std::get<uint64_t>(hit.id));
        EXPECT_TRUE(hit.payload.has_value());
      }
      EXPECT_EQ(ids, twin->second) << tag;
      EXPECT_LE(group.hits.front().score, last_best);
      last_best = group.hits.front().score;
    }
  }
}

TEST_P(Summary, FacetsCountPointsPerValue) {
  SCOPED_TRACE(GetParam());
  Filter filter;
  filter.must.push_back(FieldCondition{"n", Range{std::nullopt, 0.0, std::nullopt, std::nullopt}});
  for (const bool filtered : {false, true}) {
    std::map<std::string, uint64_t> tags;
    std::map<int64_t, uint64_t> numbers;
    for (const auto& [id, point] : points_) {
      if (filtered && !(point.n && *point.n >= 0)) continue;
      for (const std::string& tag : point.tags) ++tags[tag];
      if (point.n) ++numbers[*point.n];
    }
    FacetRequest request;
    request.limit = 100;
    if (filtered) request.filter = filter;
    request.key = "tag";
    const auto by_tag = CountValues(*collection_, request);
    ASSERT_TRUE(by_tag) << by_tag.error().message;
    std::map<std::string, uint64_t> found;
    for (size_t i = 0; i < by_tag->size(); ++i) {
      found[std::get<std::string>((*by_tag)[i].value)] = (*by_tag)[i].count;
      if (i == 0) continue;
      const FacetCount &before = (*by_tag)[i - 1], &here = (*by_tag)[i];
      EXPECT_TRUE(before.count > here.count ||
                  (before.count == here.count && before.value < here.value));
    }
    EXPECT_EQ(found, tags);
    request.key = "n";
    request.limit = 2;
    const auto by_number = CountValues(*collection_, request);
    ASSERT_EQ(by_number->size(), 2u);
    for (const FacetCount& count : *by_number) {
      EXPECT_EQ(count.count, numbers[std::get<int64_t>(count.value)]);
    }
    request.key = "yes";
    EXPECT_EQ(CountValues(*collection_, request)->size(), 2u);
  }
  FacetRequest request;
  request.key = "absent";
  EXPECT_EQ(CountValues(*collection_, request).error().code, ErrorCode::kBadRequest);
}

TEST_P(Summary, MatrixHoldsTheNearestWithinTheSample) {
  SCOPED_TRACE(GetParam());
  MatrixRequest request;
  request.sample = 25;
  request.limit = 4;
  Filter filter;
  filter.must.push_back(FieldCondition{"yes", Match{MatchValue{true}}});
  request.filter = filter;
  const auto matrix = SampleDistances(*collection_, request);
  ASSERT_TRUE(matrix) << matrix.error().message;
  ASSERT_EQ(matrix->ids.size(), 25u);
  ASSERT_EQ(matrix->entries.size(), 100u);
  size_t next = 0;
  for (size_t row = 0; row < 25; ++row) {
    const uint64_t own = std::get<uint64_t>(matrix->ids[row]);
    EXPECT_EQ(own % 3, 0u);
    std::vector<uint64_t> expected;
    for (const uint64_t id : Ranking(points_[own].vector)) {
      const bool sampled = std::ranges::find(matrix->ids, PointId(id)) != matrix->ids.end();
      if (sampled && id != own && expected.size() < 4) expected.push_back(id);
    }
    for (const uint64_t id : expected) {
      const auto& entry = matrix->entries[next++];
      EXPECT_EQ(entry.row, row);
      EXPECT_EQ(std::get<uint64_t>(matrix->ids[entry.column]), id);
      EXPECT_NEAR(entry.score, Dot(points_[own].vector, points_[id].vector), 1e-4);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Summary, ::testing::Range<uint64_t>(1, 7));

}  // namespace
}  // namespace almagest

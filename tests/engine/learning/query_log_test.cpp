#include "engine/learning/query_log.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace almagest {
namespace {

constexpr size_t kBytesMax = 64 << 20;

LoggedQuery Query(float value) {
  LoggedQuery query;
  query.vector_name = "text";
  query.base_vector = {value};
  return query;
}

TEST(QueryLog, FindsWhatItRemembers) {
  QueryLog log(10, kBytesMax);
  const std::string id = log.Remember(7, Query(3));
  ASSERT_EQ(id.size(), 32u);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  const auto found = log.Find(7, id);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->base_vector, DenseVector{3});
  EXPECT_EQ(found->vector_name, "text");
}

TEST(QueryLog, GivesTheNewestOfAField) {
  QueryLog log(10, kBytesMax);
  for (int i = 0; i < 5; ++i) log.Remember(1, Query(static_cast<float>(i)));
  log.Remember(2, Query(9));
  LoggedQuery other = Query(8);
  other.vector_name = "image";
  log.Remember(1, other);
  const auto newest = log.Newest(1, "text", 3);
  ASSERT_EQ(newest.size(), 3u);
  EXPECT_EQ(newest[0]->base_vector, DenseVector{4});
  EXPECT_EQ(newest[2]->base_vector, DenseVector{2});
  EXPECT_EQ(log.Newest(1, "text", 100).size(), 5u);
  EXPECT_TRUE(log.Newest(3, "text", 100).empty());
}

TEST(QueryLog, ForgetsTheOldest) {
  QueryLog log(3, kBytesMax);
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(log.Remember(1, Query(static_cast<float>(i))));
  EXPECT_EQ(log.size(), 3u);
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(log.Find(1, ids[static_cast<size_t>(i)]) != nullptr, i >= 2);
}

TEST(QueryLog, RefusesForeignAndMalformedIds) {
  QueryLog log(3, kBytesMax);
  std::string id = log.Remember(1, Query(1));
  EXPECT_EQ(log.Find(2, id), nullptr);
  EXPECT_EQ(log.Find(1, ""), nullptr);
  EXPECT_EQ(log.Find(1, id + "0"), nullptr);
  EXPECT_EQ(log.Find(1, std::string(32, 'g')), nullptr);
  id[5] = id[5] == '0' ? '1' : '0';
  EXPECT_EQ(log.Find(1, id), nullptr);
}

TEST(QueryLog, ForgetsACollection) {
  QueryLog log(10, kBytesMax);
  const std::string kept = log.Remember(1, Query(1));
  const std::string dropped = log.Remember(2, Query(2));
  log.ForgetCollection(2);
  EXPECT_NE(log.Find(1, kept), nullptr);
  EXPECT_EQ(log.Find(2, dropped), nullptr);
  EXPECT_EQ(log.size(), 1u);
}

TEST(QueryLog, HoldsNoMoreBytesThanAllowed) {
  QueryLog log(1'000, 100'000);
  std::vector<std::string> ids;
  for (int i = 0; i < 50; ++i) {
    LoggedQuery query = Query(1);
    query.base_vector.assign(5'000, 0.5f);  // 20,000 bytes: four fit.
    ids.push_back(log.Remember(i % 2 == 0 ? 1 : 2, std::move(query)));
  }
  EXPECT_EQ(log.size(), 4u);
  EXPECT_NE(log.Find(2, ids.back()), nullptr);
  log.ForgetCollection(1);
  EXPECT_EQ(log.size(), 2u);
  for (int i = 0; i < 2; ++i) {
    LoggedQuery query = Query(1);
    query.base_vector.assign(5'000, 0.5f);
    ids.push_back(log.Remember(2, std::move(query)));
  }
  EXPECT_EQ(log.size(), 4u) << "what a dropped collection held is free again";
  LoggedQuery huge = Query(1);
  huge.base_vector.assign(50'000, 0.5f);
  const std::string id = log.Remember(2, std::move(huge));
  EXPECT_EQ(log.size(), 1u);
  EXPECT_NE(log.Find(2, id), nullptr) << "the newest is kept in any case";
}

TEST(QueryLog, KeepsOnlyTheFirstResults) {
  QueryLog log(3, kBytesMax);
  LoggedQuery query = Query(1);
  for (uint64_t i = 0; i < 5'000; ++i) query.results.emplace_back(i);
  const auto found = log.Find(1, log.Remember(1, std::move(query)));
  ASSERT_NE(found, nullptr);
  ASSERT_EQ(found->results.size(), kLoggedResultsMax);
  EXPECT_EQ(found->results.back(), PointId(uint64_t{kLoggedResultsMax - 1}));
}

TEST(QueryLog, ServesThreadsAtOnce) {
  QueryLog log(1'000, kBytesMax);
  std::vector<std::vector<std::string>> ids(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < ids.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        ids[t].push_back(log.Remember(1, Query(static_cast<float>(t))));
        EXPECT_NE(log.Find(1, ids[t].back()), nullptr);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::string> distinct;
  for (size_t t = 0; t < ids.size(); ++t) {
    for (const std::string& id : ids[t]) {
      distinct.insert(id);
      const auto found = log.Find(1, id);
      ASSERT_NE(found, nullptr);
      EXPECT_EQ(found->base_vector[0], static_cast<float>(t));
    }
  }
  EXPECT_EQ(distinct.size(), 800u);
}

}  // namespace
}  // namespace almagest

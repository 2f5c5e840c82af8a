#include "engine/types.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <unordered_set>

namespace almagest {
namespace {

constexpr char kUuidText[] = "936da01f-9abd-4d9d-80c7-02af85c822a8";

TEST(TypesTest, UuidInAnySpelling) {
  const auto uuid = ParseUuid(kUuidText);
  ASSERT_TRUE(uuid);
  EXPECT_EQ(PointIdToString(*uuid), kUuidText);
  for (const char* text :
       {"936da01f9abd4d9d80c702af85c822a8", "936DA01F-9ABD-4D9D-80C7-02AF85C822A8",
        "urn:uuid:936da01f-9abd-4d9d-80c7-02af85c822a8",
        "{936da01f-9abd-4d9d-80c7-02af85c822a8}"}) {
    EXPECT_EQ(ParseUuid(text), uuid) << text;
  }
  for (const char* text :
       {"", "1", "936da01f-9abd-4d9d-80c7-02af85c822a", "936da01f-9abd-4d9d-80c7-02af85c822ag",
        "936da01f9-abd-4d9d-80c7-02af85c822a8", "{936da01f-9abd-4d9d-80c7-02af85c822a8",
        "urn:uuid:", "936da01f-9abd-4d9d-80c7-02af85c822a8 "}) {
    EXPECT_FALSE(ParseUuid(text)) << text;
  }
}

TEST(TypesTest, PointIdsPrintAndSort) {
  EXPECT_EQ(PointIdToString(uint64_t{UINT64_MAX}), "18446744073709551615");
  EXPECT_LT(PointId(UINT64_MAX), PointId(Uuid{}));
  EXPECT_LT(PointId(uint64_t{2}), PointId(uint64_t{10}));
  std::unordered_set<size_t> hashes;
  for (uint64_t i = 0; i < 1000; ++i) hashes.insert(PointIdHash()(i));
  hashes.insert(PointIdHash()(Uuid{}));
  EXPECT_GT(hashes.size(), 999u);
}

TEST(TypesTest, DistanceNames) {
  for (const Distance distance :
       {Distance::kCosine, Distance::kEuclid, Distance::kDot, Distance::kManhattan}) {
    EXPECT_EQ(ParseDistance(DistanceName(distance)), distance);
  }
  EXPECT_FALSE(ParseDistance("cosine"));
  EXPECT_TRUE(LargerIsNearer(Distance::kDot));
  EXPECT_TRUE(LargerIsNearer(Distance::kCosine));
  EXPECT_FALSE(LargerIsNearer(Distance::kEuclid));
  EXPECT_FALSE(LargerIsNearer(Distance::kManhattan));
}

TEST(TypesTest, SparseVectorsAreSortedAndChecked) {
  const auto vector = MakeSparseVector({5, 1, 3}, {0.5f, 0.1f, 0.3f});
  ASSERT_TRUE(vector);
  EXPECT_EQ(vector->indices, (std::vector<uint32_t>{1, 3, 5}));
  EXPECT_EQ(vector->values, (std::vector<float>{0.1f, 0.3f, 0.5f}));
  EXPECT_TRUE(MakeSparseVector({}, {})->indices.empty());
  EXPECT_EQ(MakeSparseVector({1}, {}).error().code, ErrorCode::kOutOfRange);
  EXPECT_EQ(MakeSparseVector({1, 2, 1}, {1, 2, 3}).error().code, ErrorCode::kOutOfRange);
  EXPECT_EQ(MakeSparseVector({1, 1}, {1, 2}).error().code, ErrorCode::kOutOfRange);
  EXPECT_EQ(MakeSparseVector({1}, {std::nanf("")}).error().code, ErrorCode::kOutOfRange);
  EXPECT_EQ(MakeSparseVector({1}, {INFINITY}).error().code, ErrorCode::kOutOfRange);
}

TEST(TypesTest, DeadlineExpiresByTimeOrCancellation) {
  EXPECT_FALSE(Deadline().Expired());
  Deadline past;
  past.at = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_TRUE(past.Expired());
  std::atomic<bool> cancelled{false};
  Deadline deadline;
  deadline.cancelled = &cancelled;
  EXPECT_FALSE(deadline.Expired());
  cancelled = true;
  EXPECT_TRUE(deadline.Expired());
}

}  // namespace
}  // namespace almagest

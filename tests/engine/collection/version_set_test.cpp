#include "engine/collection/version_set.h"

#include <gtest/gtest.h>

#include "engine/collection/growing_segment.h"
#include "engine/collection/row_factors.h"
#include "engine/collection/version_store.h"
#include "engine/linalg/row_kernels.h"
#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

constexpr uint32_t kDimension = 24;

// The identity, a query-only version and two with document maps.
std::vector<AdapterVersion> RandomVersions(std::mt19937& random) {
  std::vector<AdapterVersion> versions;
  for (VersionId id = 1; id <= 3; ++id) {
    AdapterVersion version;
    version.id = id;
    const auto parsed =
        ParseAdapter(RandomAdapter(random, kDimension, id > 1), kDimension, &version);
    EXPECT_TRUE(parsed) << parsed.error().message;
    versions.push_back(std::move(version));
  }
  return versions;
}

// Rows of every version in a growing segment each; every query version must score them as the
// definition says.
void CheckAllPairs(bool normalised, uint32_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const VersionSet set(kDimension, normalised, RandomVersions(random), 0);
  std::vector<DenseVector> documents;
  for (int i = 0; i < 40; ++i) {
    DenseVector document = RandomVector(random, kDimension);
    if (i == 7) document.assign(kDimension, 0.0f);
    documents.push_back(normalised ? Normalised(document) : document);
  }
  for (VersionId stored = 0; stored <= 3; ++stored) {
    const auto& map = set.Find(stored)->document;
    const GrowingDenseField field{0, kDimension, stored, map != nullptr && normalised};
    GrowingSegment segment(1, {&field, 1}, {}, 64);
    for (Slot slot = 0; slot < documents.size(); ++slot) {
      DenseVector served = documents[slot];
      float norm = 1;
      if (map) norm = map->Apply(documents[slot], served, normalised);
      GrowingRow row;
      row.slot = slot;
      row.dense.push_back({0, served, norm});
      segment.Append(row);
    }
    for (VersionId target = 0; target <= 3; ++target) {
      SCOPED_TRACE("rows of " + std::to_string(stored) + " as " + std::to_string(target));
      ASSERT_TRUE(PrepareRowFactors(set, segment, 0, target));
      const DenseVector query = RandomVector(random, kDimension);
      std::vector<float> folded = set.MapQuery(target, query);
      const auto cross = *set.Cross(target, stored);
      EXPECT_EQ(cross == nullptr, set.SameDocumentMap(target, stored));
      float constant = 0;
      if (cross) constant = cross->MapQuery(set.MapQuery(target, query), folded);
      const auto factors = segment.row_factors(0, target);
      EXPECT_EQ(factors != nullptr, cross != nullptr && normalised);
      for (uint32_t row = 0; row < documents.size(); ++row) {
        float score =
            DotProduct(folded.data(), segment.dense(0)->growing_rows->Row(row), kDimension);
        score = factors ? score * factors->scale[row] + constant * factors->offset[row]
                        : score + constant;
        EXPECT_NEAR(score, DirectScore(set, target, query, documents[row]), 1e-4) << row;
      }
    }
  }
}

TEST(VersionSetTest, CrossScoresAreDirectScoresForCosine) {
  for (uint32_t seed = 1; seed <= 5; ++seed) CheckAllPairs(true, seed);
}

TEST(VersionSetTest, CrossScoresAreDirectScoresForDot) {
  for (uint32_t seed = 1; seed <= 5; ++seed) CheckAllPairs(false, seed);
}

TEST(VersionSetTest, HasTheIdentityAndOneActiveVersion) {
  std::mt19937 random(3);
  const VersionSet set(kDimension, true, RandomVersions(random), 2);
  ASSERT_NE(set.Find(0), nullptr);
  EXPECT_EQ(set.Find(0)->kind, "identity");
  EXPECT_EQ(set.Find(0)->status, VersionStatus::kRetired);
  EXPECT_EQ(set.Find(2)->status, VersionStatus::kActive);
  EXPECT_EQ(set.Find(1)->status, VersionStatus::kCandidate);
  EXPECT_EQ(set.Find(9), nullptr);
  EXPECT_TRUE(set.SameDocumentMap(0, 1));
  EXPECT_FALSE(set.SameDocumentMap(1, 2));
  EXPECT_FALSE(set.SameDocumentMap(9, 2));
  EXPECT_EQ(set.Cross(9, 0).error().code, ErrorCode::kNotFound);
}

TEST(VersionSetTest, ASuccessorKeepsComposedMaps) {
  std::mt19937 random(4);
  const VersionSet set(kDimension, true, RandomVersions(random), 0);
  const auto composed = *set.Cross(2, 3);
  const auto successor = set.Successor(set.versions(), 2);
  EXPECT_EQ(successor->active(), 2u);
  EXPECT_EQ(*successor->Cross(2, 3), composed);
  EXPECT_EQ(successor->Find(2)->status, VersionStatus::kActive);
}

}  // namespace
}  // namespace almagest

#include "engine/collection/version_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "engine/collection/growing_segment.h"
#include "engine/collection/map_cache.h"
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
    const auto map = (*set.Maps(stored))->document;
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
      ASSERT_TRUE(PrepareRowFactors(set, segment, 0, target, /*keep=*/true));
      const DenseVector query = RandomVector(random, kDimension);
      std::vector<float> folded = MappedQuery(set, target, query);
      const auto cross = *set.Cross(target, stored);
      EXPECT_EQ(cross == nullptr, set.SameDocumentMap(target, stored));
      float constant = 0;
      if (cross) constant = cross->MapQuery(MappedQuery(set, target, query), folded);
      const auto factors = segment.row_factors(0, set.DocumentGroup(target));
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

TEST(VersionSetTest, SearchesByOthersDoNotDriveOutWhatTheActiveVersionNeeds) {
  std::mt19937 random(6);
  const VersionSet set(kDimension, true, RandomVersions(random), 2, nullptr, /*map_bytes_max=*/1);
  const auto of_identity = *set.Cross(2, 0);
  const auto of_third = *set.Cross(2, 3);
  const auto named = *set.Cross(3, 2);
  ASSERT_TRUE(set.Cross(3, 0));
  EXPECT_NE(*set.Cross(3, 2), named) << "one of them has room";
  const auto same = set.Successor(set.versions(), 2);
  for (const VersionSet* asked : {&set, same.get()}) {
    EXPECT_EQ(*asked->Cross(2, 0), of_identity);
    EXPECT_EQ(*asked->Cross(2, 1), of_identity) << "the document map of 0";
    EXPECT_EQ(*asked->Cross(2, 3), of_third);
  }
  EXPECT_NE(*set.Successor(set.versions(), 3)->Cross(2, 3), of_third) << "2 is one of others now";
}

TEST(VersionSetTest, MapsForRowsThatAreNoMoreAreForgotten) {
  std::mt19937 random(10);
  const VersionSet set(kDimension, true, RandomVersions(random), 2, nullptr, /*map_bytes_max=*/1);
  const std::weak_ptr<const CrossVersionMap> of_identity = *set.Cross(2, 0);
  const auto of_third = *set.Cross(2, 3);
  set.KeepComposed(std::array<VersionId, 2>{3, 2});
  EXPECT_TRUE(of_identity.expired());
  EXPECT_EQ(*set.Cross(2, 3), of_third);
  // A search that began before: what it composes is one of many again.
  const std::weak_ptr<const CrossVersionMap> once_more = *set.Cross(2, 0);
  EXPECT_FALSE(once_more.expired());
  ASSERT_TRUE(set.Cross(3, 0));
  EXPECT_TRUE(once_more.expired());
  // Rows of that version again, here by one that has the same document map.
  set.KeepComposed(std::array<VersionId, 1>{1});
  const auto kept = *set.Cross(2, 0);
  ASSERT_TRUE(set.Cross(3, 0));
  EXPECT_EQ(*set.Cross(2, 0), kept);
}

TEST(VersionSetTest, NothingIsComposedAfterTheDeadline) {
  std::mt19937 random(11);
  const VersionSet set(kDimension, true, RandomVersions(random), 0);
  const std::atomic<bool> cancelled{true};
  const Deadline deadline{std::nullopt, &cancelled};
  for (const VersionId target : {0, 3}) {  // The active one, and another.
    const auto late = set.Cross(target, 2, deadline);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::kTimeout);
    const auto composed = *set.Cross(target, 2);
    EXPECT_EQ(*set.Cross(target, 2, deadline), composed) << "known";
  }
  EXPECT_EQ(*set.Cross(2, 2, deadline), nullptr) << "nothing to compose";
}

TEST(VersionSetTest, ThreadsThatDriveOutEachOthersMapsGetTheirOwn) {
  std::mt19937 random(9);
  const std::vector<AdapterVersion> given = RandomVersions(random);
  const VersionSet whole(kDimension, true, given, 0);
  std::vector<AdapterVersion> versions = given;
  for (AdapterVersion& version : versions) version.maps = nullptr;
  versions[1].maps = given[1].maps;  // Version 2 is active.
  const auto read = [&](VersionId id) -> Result<AdapterMaps> {
    return id == 0 ? AdapterMaps() : *given[id - 1].maps;
  };
  const VersionSet set(kDimension, true, versions, 2, read, /*map_bytes_max=*/1);
  std::vector<std::thread> threads;
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937 mine(seed);
      for (int i = 0; i < 150; ++i) {
        const VersionId target = mine() % 4;
        const VersionId rows = mine() % 4;
        const auto composed = *set.Cross(target, rows);
        const auto expected = *whole.Cross(target, rows);
        ASSERT_EQ(composed == nullptr, expected == nullptr);
        if (composed) {
          EXPECT_TRUE(std::ranges::equal(composed->transform(), expected->transform()));
        }
        const DenseVector query = RandomVector(mine, kDimension);
        EXPECT_EQ(MappedQuery(set, target, query), MappedQuery(whole, target, query));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(VersionSetTest, OneComposesAndOneMakesFactorsWhileOthersWait) {
  OneAtATime<int> turns;
  auto first = turns.Take(1);
  ASSERT_NE(first, nullptr);
  EXPECT_NE(turns.Take(2), nullptr) << "another key";
  std::atomic<bool> cancelled{true};
  EXPECT_EQ(turns.Take(1, {std::nullopt, &cancelled}), nullptr);
  std::atomic<bool> given_back{false};
  std::thread second([&] {
    const auto turn = turns.Take(1);
    EXPECT_TRUE(given_back);
  });
  given_back = true;
  first.reset();
  second.join();
  EXPECT_NE(turns.Take(1, {std::nullopt, &cancelled}), nullptr) << "nothing to wait for";
}

TEST(VersionSetTest, FactorsStopAtTheDeadlineAndGoOnFromThere) {
  std::mt19937 random(8);
  const VersionSet set(kDimension, true, RandomVersions(random), 0);
  const GrowingDenseField field{0, kDimension, 0, false};
  GrowingSegment segment(1, {&field, 1}, {}, 2048);
  for (Slot slot = 0; slot < 1200; ++slot) {
    const std::vector<float> vector = Normalised(RandomVector(random, kDimension));
    GrowingRow row;
    row.slot = slot;
    row.dense.push_back({0, vector, 1.0f});
    segment.Append(row);
  }
  const std::atomic<bool> cancelled{true};
  const Deadline deadline{std::nullopt, &cancelled};
  const auto stopped = PrepareRowFactors(set, segment, 0, 2, /*keep=*/false, deadline);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kTimeout);
  const auto made = PrepareRowFactors(set, segment, 0, 2, /*keep=*/false);
  ASSERT_TRUE(made);
  EXPECT_EQ((*made)->scale.size(), 1200u);
  EXPECT_EQ(*PrepareRowFactors(set, segment, 0, 2, /*keep=*/false, deadline), *made)
      << "all are there";
}

// As many versions as tenants, read from elsewhere, with room for a few.
TEST(VersionSetTest, ReadsMapsWhenTheyAreAskedForAndKeepsTheLatest) {
  std::mt19937 random(5);
  const std::vector<AdapterVersion> given = RandomVersions(random);
  std::vector<AdapterVersion> versions = given;
  for (AdapterVersion& version : versions) version.maps = nullptr;
  versions[0].maps = given[0].maps;  // Version 1 is active.
  std::vector<VersionId> reads;
  const auto read = [&](VersionId id) -> Result<AdapterMaps> {
    reads.push_back(id);
    if (id == 3) return Fail(ErrorCode::kCorruption, "version 3 is damaged");
    return *given[id - 1].maps;
  };
  const size_t bytes = 2 * (kDimension * kDimension + kDimension) * sizeof(float);
  versions.push_back(versions[1]);
  versions.back().id = 4;
  const VersionSet set(kDimension, true, versions, 1, read, /*map_bytes_max=*/bytes);
  EXPECT_TRUE(reads.empty());
  EXPECT_TRUE(set.Maps(1));
  EXPECT_TRUE(set.SameDocumentMap(2, 4)) << "known without reading";
  EXPECT_FALSE(set.SameDocumentMap(2, 3));
  EXPECT_EQ(set.DocumentGroup(4), 2u);
  EXPECT_EQ(set.DocumentGroup(1), 0u);
  EXPECT_TRUE(reads.empty());
  const DenseVector query = RandomVector(random, kDimension);
  const VersionSet whole(kDimension, true, given, 1);
  EXPECT_EQ(MappedQuery(set, 2, query), MappedQuery(whole, 2, query));
  EXPECT_EQ(MappedQuery(set, 2, query), MappedQuery(whole, 2, query));
  EXPECT_EQ(reads, (std::vector<VersionId>{2}));
  std::vector<float> room;
  EXPECT_EQ(set.MapQuery(3, query, room).error().code, ErrorCode::kCorruption);
  EXPECT_EQ(set.Maps(9).error().code, ErrorCode::kNotFound);
  const auto successor = set.Successor(set.versions(), 1);
  EXPECT_EQ(MappedQuery(*successor, 2, query), MappedQuery(whole, 2, query));
  EXPECT_EQ(reads, (std::vector<VersionId>{2, 3})) << "the successor has what was read";
}

TEST(VersionSetTest, TheCacheForgetsWhatWasNotAskedForLongest) {
  MapCache<int, int> cache(10);
  cache.Add(1, std::make_shared<const int>(1), 4);
  cache.Add(2, std::make_shared<const int>(2), 4);
  EXPECT_NE(cache.Find(1), nullptr);
  EXPECT_EQ(*cache.Add(3, std::make_shared<const int>(3), 4), 3);
  EXPECT_EQ(cache.Find(2), nullptr);
  EXPECT_NE(cache.Find(1), nullptr);
  EXPECT_EQ(cache.bytes(), 8u);
  EXPECT_EQ(*cache.Add(1, std::make_shared<const int>(7), 4), 1) << "the first one counts";
  EXPECT_EQ(*cache.Add(4, std::make_shared<const int>(4), 40), 4);
  EXPECT_EQ(cache.Find(1), nullptr);
  EXPECT_NE(cache.Find(4), nullptr) << "in use, however large";
  EXPECT_EQ(cache.bytes(), 40u);
}

TEST(VersionSetTest, FactorsThatNothingKeepsAreBounded) {
  const GrowingDenseField field{0, 2, 0, false};
  const GrowingSegment segment(1, {&field, 1}, {}, 64);
  const auto factors = [](size_t rows) {
    auto made = std::make_shared<RowFactors>();
    made->scale.resize(rows);
    made->offset.resize(rows);
    return made;
  };
  const size_t third = kSpareFactorBytesMax / 3 / 8;
  segment.SetRowFactors(0, 1, factors(third), /*keep=*/true);
  for (VersionId version = 2; version <= 4; ++version) {
    segment.SetRowFactors(0, version, factors(third), /*keep=*/false);
  }
  EXPECT_NE(segment.row_factors(0, 2), nullptr);
  segment.SetRowFactors(0, 5, factors(third), /*keep=*/false);
  EXPECT_EQ(segment.row_factors(0, 3), nullptr);
  EXPECT_NE(segment.row_factors(0, 1), nullptr);
  EXPECT_NE(segment.row_factors(0, 2), nullptr);
  segment.SetRowFactors(0, 6, factors(4 * third), /*keep=*/false);
  EXPECT_NE(segment.row_factors(0, 6), nullptr) << "the one in use stays";
  EXPECT_EQ(segment.row_factors(0, 2), nullptr);
  EXPECT_EQ(segment.kept_factor_targets(), (std::vector<std::pair<FieldId, VersionId>>{{0, 1}}));
  const std::array<VersionId, 1> kept = {9};
  segment.KeepRowFactors(0, kept);
  EXPECT_EQ(segment.row_factors(0, 1), nullptr);
  EXPECT_NE(segment.row_factors(0, 6), nullptr);
}

}  // namespace
}  // namespace almagest

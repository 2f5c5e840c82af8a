// Readers, a writer, the optimizer and version changes at once: for the thread sanitizer, and for
// the promise that a search always sees every point that nobody touches.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <set>
#include <thread>

#include "engine/collection/growing_segment.h"
#include "engine/collection/row_factors.h"
#include "engine/collection/version_store.h"
#include "engine/linalg/row_kernels.h"
#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

constexpr uint64_t kStillPoints = 60;
constexpr int kRounds = 300;

class ConcurrencyTest : public CollectionTest {
 protected:
  // What an exact search over one view finds of the still points.
  size_t CountStillPoints() {
    std::set<uint64_t> found;
    const auto view = collection->view();
    for (const auto& segment : view->segments) {
      const uint32_t rows = segment->row_count();
      const auto field = segment->dense(0);
      if (!field) continue;
      const VersionSet& versions = *view->versions.at(0);
      const auto factors = segment->row_factors(0, versions.DocumentGroup(versions.active()));
      if (!versions.SameDocumentMap(field->version, versions.active())) {
        EXPECT_TRUE(factors != nullptr && factors->scale.size() >= rows);
      }
      for (uint32_t row = 0; row < rows; ++row) {
        if ((segment->deleted_words()[row / 64].load() >> (row % 64) & 1) != 0) continue;
        const float* values =
            field->growing_rows != nullptr ? field->growing_rows->Row(row) : field->rows.Row(row);
        EXPECT_TRUE(std::isfinite(values[0]));
        const auto point = collection->FindPoint(segment->slot_of(row));
        if (!point) continue;
        const uint64_t id = std::get<uint64_t>(point->id);
        if (id < kStillPoints) found.insert(id);
      }
    }
    return found.size();
  }

  // What searches that name their version do: maps that are not in memory are read, factors that
  // nothing prepared are made.
  void SearchAs(VersionId version) {
    const auto view = collection->view();
    const VersionSet& versions = *view->versions.at(0);
    std::vector<float> room;
    const DenseVector query(kTestDimension, 1.0f);
    EXPECT_TRUE(versions.MapQuery(version, query, room));
    for (const auto& segment : view->segments) {
      const auto field = segment->dense(0);
      const uint32_t rows = segment->row_count();
      const auto factors = PrepareRowFactors(versions, *segment, 0, version, /*keep=*/false);
      ASSERT_TRUE(factors) << factors.error().message;
      if (!field || versions.SameDocumentMap(field->version, version)) continue;
      ASSERT_NE(*factors, nullptr);
      EXPECT_GE((*factors)->scale.size(), rows);
    }
  }
};

TEST_F(ConcurrencyTest, SearchesSeeEveryStillPointAllTheTime) {
  std::vector<PointInput> points;
  for (uint64_t id = 0; id < kStillPoints; ++id) points.push_back(RandomPoint(random, id));
  Upsert(points);
  const auto version = collection->AddVersion("", {}, RandomAdapter(random, kTestDimension, true));
  ASSERT_TRUE(version);

  std::atomic<bool> done{false};
  std::atomic<uint64_t> searches{0};
  std::vector<std::thread> threads;
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      while (!done) {
        EXPECT_EQ(CountStillPoints(), kStillPoints);
        SearchAs(static_cast<VersionId>(searches % 2));
        EXPECT_GE(collection->point_count(), kStillPoints);
        EXPECT_TRUE(collection->MatchingSlots(Filter(), {}));
        collection->Idf(3, std::vector<uint32_t>{1, 2});
        collection->Info();
        ++searches;
        std::this_thread::yield();
      }
    });
  }
  threads.emplace_back([&] {
    while (!done) {
      EXPECT_TRUE(collection->OptimizeOnce([](double) { return true; }));
      std::this_thread::yield();
    }
  });
  threads.emplace_back([&] {
    for (VersionId next = 1; !done; next = 1 - next) {
      EXPECT_TRUE(collection->ActivateVersion("", next));
      std::this_thread::yield();
    }
  });
  for (int round = 0; round < kRounds || searches < 10; ++round) {
    std::vector<PointInput> moving;
    for (int i = 0; i < 5; ++i) {
      moving.push_back(RandomPoint(random, kStillPoints + random() % 40));
      moving.back().vectors["terms"] = RandomSparse(random, 30);
      moving.back().payload = R"({"color":"red"})";
    }
    Upsert(moving);
    Delete({kStillPoints + random() % 40});
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(CountStillPoints(), kStillPoints);
}

// Searches by more versions than a segment has room for factors of, while it grows: each gets its
// own factors, whichever the others drive out, and the limit holds all the time.
TEST(SpareFactors, AreDrivenOutBesideSearchesThatUseThem) {
  constexpr uint32_t kRows = 192;
  constexpr VersionId kVersions = 8;
  constexpr size_t kBytesMax = 3 * kRows * 2 * sizeof(float);  // Of three versions.
  std::mt19937 random(12);
  std::vector<AdapterVersion> versions;
  for (VersionId id = 1; id <= kVersions; ++id) {
    versions.emplace_back().id = id;
    ASSERT_TRUE(ParseAdapter(RandomAdapter(random, kTestDimension, true), kTestDimension,
                             &versions.back()));
  }
  const VersionSet set(kTestDimension, true, versions, 0);
  const GrowingDenseField field{0, kTestDimension, 0, false};
  GrowingSegment segment(1, {&field, 1}, {}, kRows, {}, kBytesMax);
  std::vector<DenseVector> documents;
  for (uint32_t row = 0; row < kRows; ++row) {
    documents.push_back(Normalised(RandomVector(random, kTestDimension)));
  }
  const auto append = [&](Slot slot) {
    GrowingRow row;
    row.slot = slot;
    row.dense.push_back({0, documents[slot], 1.0f});
    segment.Append(row);
  };
  for (Slot slot = 0; slot < kRows / 2; ++slot) append(slot);
  // What the active version needs stays, however many others are searched by.
  ASSERT_TRUE(PrepareRowFactors(set, segment, 0, 1, /*keep=*/true));

  std::atomic<uint64_t> searches{0};
  std::atomic<bool> grown{false};
  std::vector<std::thread> searchers;
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    searchers.emplace_back([&, seed] {
      std::mt19937 mine(seed);
      for (int i = 0; i < 150 || !grown; ++i) {
        const VersionId version = 1 + mine() % kVersions;
        const uint32_t rows = segment.row_count();
        const auto factors = PrepareRowFactors(set, segment, 0, version, /*keep=*/false);
        ASSERT_TRUE(factors) << factors.error().message;
        ASSERT_GE((*factors)->scale.size(), rows);
        const DenseVector query = RandomVector(mine, kTestDimension);
        const auto cross = *set.Cross(version, 0);
        std::vector<float> folded(kTestDimension);
        const float constant = cross->MapQuery(MappedQuery(set, version, query), folded);
        const uint32_t row = mine() % rows;
        const float dot =
            DotProduct(folded.data(), segment.dense(0)->growing_rows->Row(row), kTestDimension);
        EXPECT_NEAR(dot * (*factors)->scale[row] + constant * (*factors)->offset[row],
                    DirectScore(set, version, query, documents[row]), 1e-4);
        EXPECT_LE(segment.spare_factor_bytes(), kBytesMax);
        EXPECT_NE(segment.row_factors(0, 1), nullptr);
        ++searches;
        std::this_thread::yield();
      }
    });
  }
  for (Slot slot = kRows / 2; slot < kRows; ++slot) {
    for (const uint64_t before = searches; searches == before;) std::this_thread::yield();
    append(slot);
  }
  grown = true;
  for (std::thread& searcher : searchers) searcher.join();
  EXPECT_GE(searches, 450u);
  EXPECT_GT(segment.spare_factor_bytes(), 0u);
}

TEST_F(ConcurrencyTest, OpeningGoesOnBesideSearchesAndWrites) {
  std::vector<PointInput> points;
  for (uint64_t id = 0; id < kStillPoints + 40; ++id) points.push_back(RandomPoint(random, id));
  Upsert(points);
  OptimizeAll();
  limits = {0, 0};
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(collection->Checkpoint());
    Upsert({RandomPoint(random, kStillPoints + random() % 40)});
    Reopen();
    std::thread reader([&] {
      EXPECT_EQ(CountStillPoints(), kStillPoints);
      EXPECT_TRUE(collection->MatchingSlots(Filter(), {}));
      collection->Info();
    });
    std::thread optimizer(
        [&] { EXPECT_TRUE(collection->OptimizeOnce([](double) { return true; })); });
    Upsert({RandomPoint(random, kStillPoints + random() % 40)});
    Delete({kStillPoints + random() % 40});
    reader.join();
    optimizer.join();
    collection->WaitUntilOpened();
    EXPECT_EQ(CountStillPoints(), kStillPoints);
  }
}

}  // namespace
}  // namespace almagest

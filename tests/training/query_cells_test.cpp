// Which queries belong to which cell of what was seen.
#include "training/query_cells.h"

#include <gtest/gtest.h>

#include "tests/training/synthetic_job.h"

namespace almagest::training {
namespace {

TEST(QueryCells, TellsWhatTrainingSawOfQueriesAndOfDocuments) {
  const SyntheticJob job = MakeSyntheticJob(31, 50, 6);
  const auto space = *VectorSpace::Create(
      job.documents, job.queries, {job.dimension, Distance::kCosine, DeviceChoice::kCpu, 1});
  // Train: 0 and 1 share document 7, 2 is alone with 8. Held out: 3 asks for 8, 4 and 5 for others;
  // that 4 was judged as not answered by 7 is nothing.
  const std::vector<JudgedQuery> judged = {{0, {{7, 1, 1}}},
                                           {1, {{7, 1, 1}, {9, 1, 1}}},
                                           {2, {{8, 1, 1}}},
                                           {3, {{8, 2, 1}}},
                                           {4, {{7, 0, 1}, {20, 1, 1}}},
                                           {5, {{21, 1, 1}}}};
  QuerySplit split;
  split.train = {0, 2};
  split.validation = {1};
  split.held_out = {3, 4, 5};
  split.group = {0, 1, 2, 3, 4, 4};
  const LinearAdapter identity = LinearAdapter::Identity(job.dimension);
  const std::vector<double> before = {0.1, 0.2, 0.3};
  const std::vector<double> after = {0.4, 0.5, 0.6};
  const auto cells = MeasureCells(*space, judged, split, before, after, identity, identity, {});
  ASSERT_EQ(cells.size(), 4u);
  EXPECT_TRUE(cells[0].trained_query && cells[0].seen_documents);
  EXPECT_EQ(cells[0].group, (std::vector<int32_t>{0, 1}));
  EXPECT_TRUE(cells[1].trained_query && !cells[1].seen_documents);
  EXPECT_EQ(cells[1].group, (std::vector<int32_t>{2}));
  EXPECT_EQ(cells[0].active, cells[0].trained);  // The same map.
  EXPECT_TRUE(!cells[2].trained_query && cells[2].seen_documents);
  EXPECT_EQ(cells[2].active, (std::vector<double>{0.1}));
  EXPECT_EQ(cells[2].trained, (std::vector<double>{0.4}));
  EXPECT_TRUE(!cells[3].trained_query && !cells[3].seen_documents);
  EXPECT_EQ(cells[3].trained, (std::vector<double>{0.5, 0.6}));
  EXPECT_EQ(cells[3].group, (std::vector<int32_t>{4, 4}));
}

}  // namespace
}  // namespace almagest::training

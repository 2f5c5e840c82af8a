// What the tests of sealed sparse indexes share.
#pragma once

#include <gtest/gtest.h>

#include "engine/index/sparse_index.h"
#include "tests/engine/index/index_fixtures.h"

namespace almagest::index_test {

// `ordered`: positions differ from rows, however few there are; else they never do.
inline SparseIndexArrays BuildSparse(const NaiveSparse& rows, uint32_t row_count, bool ordered) {
  SparseIndexBuilder builder({.ordered_rows_min = ordered ? 0 : kNoNumber});
  for (const auto& [row, weights] : rows) {
    EXPECT_TRUE(builder.Add(row, ToSparse(weights).View()).has_value());
  }
  return builder.Finish(row_count);
}

// By every plan, the one that the index would choose included.
inline void ExpectAgrees(const SparseIndex& index, const NaiveSparse& rows, SparseQuery query) {
  const auto expected = NaiveSparseSearch(rows, query);
  for (const SparsePlan plan : {SparsePlan::kChosen, SparsePlan::kTerms, SparsePlan::kBlocks}) {
    SCOPED_TRACE(testing::Message() << "plan " << static_cast<int>(plan));
    query.plan = plan;
    const auto found = index.Search(query);
    ASSERT_TRUE(found.has_value());
    ASSERT_EQ(*found, expected);
  }
}

}  // namespace almagest::index_test

// MaxSim, the similarity of multi-vectors (Khattab & Zaharia, "ColBERT", SIGIR 2020): every row of
// the query looks for the row of the document that is most similar to it (distance.h), and the
// score is the sum of those similarities. For Euclid that is minus the sum of the smallest squared
// distances, for Manhattan minus the sum of the smallest distances: larger is nearer, as
// everywhere. It is not symmetric.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/index/distance.h"

namespace almagest {

// One query against any number of documents. Immutable: thread-safe.
class MaxSim {
 public:
  // `query` holds a whole number of rows, one at least, finite; it is copied.
  MaxSim(Metric metric, std::span<const float> query, size_t dimension);

  // `document` holds a whole number of rows. -infinity when it has none, never NaN. The same pair
  // gives the same bits, wherever the document lies.
  // Cost: query rows * document rows * dimension multiply-adds at the rate of a matrix product that
  // stays in cache: 10 to 20 us for 32 rows, 128 rows and 128 dimensions.
  float Score(std::span<const float> document) const;

  size_t query_rows() const { return query_rows_; }
  size_t dimension() const { return dimension_; }

 private:
  Metric metric_;
  size_t query_rows_;
  size_t dimension_;
  bool packed_;
  // A few rows lie as they are; more of them are packed for the kernel: blocks of query rows, each
  // as [dimension, rows of a block], the last one filled up with zeros.
  std::vector<float> query_;
};

}  // namespace almagest

// The base vectors of one job, resident on the device, and exact search over them through
// adapters. The header is free of LibTorch; vector_space.cpp is one of the three files that use it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/result.h"
#include "training/job_config.h"
#include "training/linear_adapter.h"
#include "training/progress.h"

namespace almagest::training {

// The best documents of some queries, by row: entry [i * depth + r] is rank r of query i.
struct Ranking {
  int64_t depth = 0;  // min(k, documents).
  std::vector<int32_t> documents;

  std::span<const int32_t> Of(size_t query) const {
    return std::span(documents).subspan(query * static_cast<size_t>(depth),
                                        static_cast<size_t>(depth));
  }
};

// Not thread-safe; LibTorch itself uses the number of threads given.
class VectorSpace {
 public:
  struct Options {
    int64_t dimension = 0;
    Distance distance = Distance::kCosine;
    DeviceChoice device = DeviceChoice::kAuto;
    int64_t threads = 1;
  };
  // On the CPU the spans are used in place and must outlive the object; on CUDA they are copied.
  // kFailedPrecondition if CUDA is asked for and absent.
  static Result<std::unique_ptr<VectorSpace>> Create(std::span<const float> documents,
                                                     std::span<const float> queries,
                                                     const Options& options);
  ~VectorSpace();

  int64_t dimension() const;
  int64_t document_count() const;
  Distance distance() const;
  std::string device_name() const;  // "cpu" or "cuda".

  // Exact search of the k best documents, queries by `query_version` and documents by
  // `document_version`. Where the two map documents differently the query is carried over by
  // algebra: with M = W_q W_k^-1 (document sides), q.(W_q x + b_q) = n_k (M^T q).d_k + const, so
  // one more query map and, per document, the ratio of the lengths n_k / n_q give exactly the
  // scores of the query's own version (TRAINING notes 2.1). `with_lengths` false leaves that
  // ratio out (1 for every document): what a server without stored lengths would rank.
  // Cost: 2 * rows * N * D flops and two maps of the documents.
  Ranking Search(const LinearAdapter& query_version, const LinearAdapter& document_version,
                 std::span<const int32_t> query_rows, int64_t k, bool with_lengths,
                 const Tick& tick) const;

  // Index pairs (into `query_rows`) of queries whose base cosine is at least `threshold`: just
  // enough of them to connect every group of similar queries (fewer pairs than queries).
  std::vector<std::pair<int32_t, int32_t>> SimilarQueries(std::span<const int32_t> query_rows,
                                                          double threshold, const Tick& tick) const;

  struct Tensors;  // vector_space_tensors.h, for the other LibTorch files.
  const Tensors& tensors() const { return *tensors_; }

 private:
  explicit VectorSpace(std::unique_ptr<Tensors> tensors);
  std::unique_ptr<Tensors> tensors_;
};

}  // namespace almagest::training

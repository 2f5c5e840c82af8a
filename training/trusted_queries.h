// Judgements that the admin gives with a job (docs/job-folder.md, trusted.safetensors). They are
// not trained on, mined from or chosen by; the gate asks whether a version keeps what they ask for.
// Users may have judged the same queries, and a version learns from what users said.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "storage/base/result.h"
#include "training/gate.h"
#include "training/job_config.h"
#include "training/judgements.h"
#include "training/vector_space.h"

namespace almagest::training {

// The tensors of the file; all empty where no judgements were given.
struct TrustedColumns {
  std::span<const float> queries;  // [count, dimension], base vectors.
  std::span<const int32_t> own;    // [count]: the document that the query is, which is left out of
                                   // its results; -1 for a query that is no document.
  std::span<const int32_t> query;  // [J], rows of `queries`.
  std::span<const int32_t> document;  // -1: deleted since the judgements were given.
  std::span<const float> grade;

  bool empty() const { return own.empty(); }
};

class TrustedQueries {
 public:
  // The spans must outlive the object. Queries without a relevant document are left out. Queries
  // nearer to each other than `group_cosine` count as one in the gate's interval. Those that have
  // exactly the base vector of one of `feedback` [n, dimension], the queries that users judged, are
  // counted: on these the version may have learned what it is asked.
  // Cost: T^2 D flops for T queries; on CUDA the documents are copied to the device.
  static Result<std::unique_ptr<TrustedQueries>> Create(const TrustedColumns& columns,
                                                        std::span<const float> documents,
                                                        std::span<const float> feedback,
                                                        const JobConfig& config);

  size_t size() const { return judged_.size(); }
  // nDCG@10 of each query by exact search, both sides by `version`.
  std::vector<double> Measure(const LinearAdapter& version, const Tick& tick) const;
  // Measured before and after, for the gate.
  TrustedValues Compare(std::vector<double> active, std::vector<double> trained) const;

 private:
  TrustedQueries() = default;

  TrustedColumns columns_;
  std::unique_ptr<VectorSpace> space_;  // Its queries are the trusted ones.
  std::vector<JudgedQuery> judged_;
  std::vector<int32_t> group_;  // Of each of them.
  TrustedCounts counts_;
};

}  // namespace almagest::training

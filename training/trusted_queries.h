// Judgements that the admin gives with a job (docs/job-folder.md, trusted.safetensors). Nothing is
// trained on them, mined from them or chosen by them; the gate asks whether a version keeps what
// they ask for.
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
  std::span<const int32_t> document;
  std::span<const float> grade;

  bool empty() const { return own.empty(); }
};

class TrustedQueries {
 public:
  // The spans must outlive the object. Queries without a relevant document are left out. Queries
  // nearer to each other than `group_cosine` count as one in the gate's interval.
  // Cost: T^2 D flops for T queries; on CUDA the documents are copied to the device.
  static Result<std::unique_ptr<TrustedQueries>> Create(const TrustedColumns& columns,
                                                        std::span<const float> documents,
                                                        const JobConfig& config);

  size_t size() const { return judged_.size(); }
  // How many of them have exactly the base vector of one of `queries` [n, dimension], the queries
  // that users judged: on these the version may have learned what it is asked.
  size_t CountAlsoIn(std::span<const float> queries) const;
  // nDCG@10 of each query by exact search, both sides by `version`.
  std::vector<double> Measure(const LinearAdapter& version, const Tick& tick) const;
  // Measured before and after, for the gate.
  TrustedValues Compare(std::vector<double> active, std::vector<double> trained) const;

 private:
  TrustedQueries() = default;

  TrustedColumns columns_;
  int64_t dimension_ = 0;
  std::unique_ptr<VectorSpace> space_;  // Its queries are the trusted ones.
  std::vector<JudgedQuery> judged_;
  std::vector<int32_t> group_;  // Of each of them.
};

}  // namespace almagest::training

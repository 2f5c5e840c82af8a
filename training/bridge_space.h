// Two vector spaces over the same documents, and maps from the first to the second. The header is
// free of LibTorch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "training/bridge_folder.h"

namespace almagest::training {

// y = W x + b, from vectors of the new model to vectors of the old one, then y / |y| where the old
// one's distance is Cosine. For queries: rewriting documents would need the other direction.
struct BridgeMap {
  std::string kind;           // "procrustes" or "ridge".
  std::vector<float> weight;  // [to.dimension, from.dimension], outputs x inputs.
  std::vector<float> bias;    // [to.dimension]
};

// The best documents of some queries: entry [i * depth + r] is rank r of query i; -1 where there
// were fewer.
struct ScoredLists {
  int64_t depth = 0;
  std::vector<int32_t> documents;
  std::vector<float> scores;
};

// What is searched for: queries, or documents by their own vectors (each is left out of its own
// results).
struct Probes {
  bool are_documents = false;
  std::span<const int32_t> rows;
};

// Searches are exact and go through the active adapter versions of both sides. `allowed` has one
// flag per document; empty: all. Not thread-safe. LibTorch's exceptions are the caller's to catch.
class BridgeSpace {
 public:
  // The folder must outlive it. kFailedPrecondition if CUDA is asked for and absent.
  static Result<std::unique_ptr<BridgeSpace>> Create(const BridgeFolder& folder);
  ~BridgeSpace();
  std::string device_name() const;

  // Centred Procrustes between spaces of different dimensions (Schoenemann 1966; rectangular after
  // TRAINING notes 2.7): W = s U V^T of the singular value decomposition of Y^T X, s the scale of
  // least squares. O(D^3) for the smaller D, plus one product over the rows.
  BridgeMap FitProcrustes(std::span<const int32_t> rows) const;
  // Centred ridge regression; `strength` is relative to the mean variance of the inputs.
  BridgeMap FitRidge(std::span<const int32_t> rows, double strength) const;

  ScoredLists SearchFrom(const Probes& probes, std::span<const uint8_t> allowed, int64_t k) const;
  // By the probes' own vectors of the old model.
  ScoredLists SearchTo(const Probes& probes, std::span<const uint8_t> allowed, int64_t k) const;
  // By their vectors of the new model through `map`.
  ScoredLists SearchMapped(const BridgeMap& map, const Probes& probes,
                           std::span<const uint8_t> allowed, int64_t k) const;
  // Scores of the documents of `lists`, one row per probe, as the two searches would give them.
  std::vector<float> ScoreFrom(const Probes& probes, const ScoredLists& lists) const;
  std::vector<float> ScoreMapped(const BridgeMap& map, const Probes& probes,
                                 const ScoredLists& lists) const;

 private:
  struct Tensors;
  explicit BridgeSpace(std::unique_ptr<Tensors> tensors);
  std::unique_ptr<Tensors> tensors_;
};

}  // namespace almagest::training

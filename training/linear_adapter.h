// One adapter version: an affine map for queries and one for documents, and its file.
//
//   y = W x + b,  then y / |y| when the collection's distance is Cosine.
//
// The query side may have a non-linear part as well, y = W x + b + U h(x): what maps queries must
// go through MapQueries (query_residual.h). Documents never have one, so that versions stay
// searchable by each other (docs/architecture.md).
//
// Weights are row-major [D, D], outputs x inputs. Version 0 is the identity and has no file. The
// file format (docs/job-folder.md) is what the server reads; it does not depend on LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/base/residual_tensors.h"
#include "storage/base/result.h"

namespace almagest::training {

struct LinearAdapter {
  int64_t dimension = 0;
  std::string kind = "identity";       // identity, whitening, query_low_rank, ...
  bool maps_documents = false;         // False: the document side is the identity.
  std::vector<float> query_weight;     // [D, D]
  std::vector<float> query_bias;       // [D]
  std::vector<float> document_weight;  // [D, D]
  std::vector<float> document_bias;    // [D]
  ResidualTensors query_residual;      // U h(x) of queries; hidden 0: none.

  static LinearAdapter Identity(int64_t dimension);
};

// kNotFound if the file is absent; kCorruption if a tensor is missing, misshapen or not finite, or
// if the metadata does not say the dimension expected.
Result<LinearAdapter> ReadAdapter(const std::filesystem::path& path, int64_t dimension);

// Writes atomically; the bytes depend only on the adapter and the seed.
Result<> WriteAdapter(const std::filesystem::path& path, const LinearAdapter& adapter,
                      uint64_t seed);

}  // namespace almagest::training

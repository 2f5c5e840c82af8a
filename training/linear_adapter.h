// One adapter version: an affine map for queries and one for documents, and its file.
//
//   y = W x + b,  then y / |y| when the collection's distance is Cosine.
//
// Weights are row-major [D, D], outputs x inputs. Version 0 is the identity and has no file. The
// file format (docs/job-folder.md) is what the server reads; it does not depend on LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/base/result.h"

namespace almagest::training {

struct LinearAdapter {
  int64_t dimension = 0;
  std::string kind = "identity";       // identity, whitening, query_low_rank or two_sided_linear.
  bool maps_documents = false;         // False: the document side is the identity.
  std::vector<float> query_weight;     // [D, D]
  std::vector<float> query_bias;       // [D]
  std::vector<float> document_weight;  // [D, D]
  std::vector<float> document_bias;    // [D]

  static LinearAdapter Identity(int64_t dimension);
};

// kNotFound if the file is absent; kCorruption if a tensor is missing, misshapen or not finite, or
// if the metadata does not say the dimension expected.
Result<LinearAdapter> ReadAdapter(const std::filesystem::path& path, int64_t dimension);

// Writes atomically; the bytes depend only on the adapter and the seed.
Result<> WriteAdapter(const std::filesystem::path& path, const LinearAdapter& adapter,
                      uint64_t seed);

}  // namespace almagest::training

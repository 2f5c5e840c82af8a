// Text models by name: what a server offers where a request says {"text": ..., "model": ...}.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/bm25.h"
#include "storage/base/result.h"

namespace almagest {

class UseLite;

enum class TextModelKind { kDense, kSparse };

// The registry of text models. Names are a closed list, compared without case: a name is never a
// path or an address, and nothing is ever loaded because of what a client wrote. Thread-safe.
//
// Construction reads nothing; the dense model is mapped on its first use (about 20 ms, plus 43 ms
// once for oneDNN), so that an idle server stays small. A failed load is tried again by the next
// call.
class TextModels {
 public:
  static constexpr const char* kUseLite = "use-lite";  // dense, 512 dimensions
  static constexpr const char* kBm25 = "qdrant/bm25";  // sparse

  // model_folder: where `./dev setup` puts use-lite.safetensors and use-lite.vocab.json.
  explicit TextModels(std::filesystem::path model_folder);
  ~TextModels();
  TextModels(const TextModels&) = delete;
  TextModels& operator=(const TextModels&) = delete;

  // kInvalidArgument "model 'x' is not known; known models are ...". Qdrant's clients write model
  // names in any case; so may ours ("Qdrant/bm25").
  static Result<TextModelKind> KindOf(std::string_view model);
  // The dimensions of a dense model; the errors of KindOf, and kInvalidArgument for a sparse one.
  static Result<size_t> DimensionsOf(std::string_view model);

  // One row per text (row-major, DimensionsOf(model) values each, length 1), on at most `threads`
  // threads. kInvalidArgument for an unknown or sparse model; kUnavailable if its files are
  // missing.
  Result<std::vector<float>> EmbedDense(std::string_view model, std::span<const std::string> texts,
                                        int threads);

  // One sparse vector per text. kInvalidArgument for an unknown or dense model; kOutOfRange for an
  // option out of its range.
  Result<std::vector<SparseTerms>> EmbedSparse(std::string_view model,
                                               std::span<const std::string> texts,
                                               const Bm25Options& options, bool is_query) const;

 private:
  Result<std::shared_ptr<const UseLite>> DenseModel();

  const std::filesystem::path folder_;
  std::mutex mutex_;
  std::shared_ptr<const UseLite> use_lite_;  // Guarded by mutex_; null until first used.
};

}  // namespace almagest

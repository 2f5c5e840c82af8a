// The embedded dense text encoder: Universal Sentence Encoder lite (Cer et al. 2018,
// arXiv:1803.11175), two transformer layers, 27.9 MB of float32 weights, English.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

// Text to vectors of 512 dimensions and length 1. Immutable after Load and thread-safe.
//
// Cost: about 9.3 million flops a token, at the rate of sgemm. Texts are sorted by token count and
// run in groups of equal length, so that nothing is spent on padding. Memory: the mapped weights
// (shared, evictable) plus about 12 MB of scratch per thread at work.
class UseLite {
 public:
  static constexpr size_t kDimensions = 512;
  static constexpr size_t kTokensMax = 128;  // Further tokens of a text are not looked at.
  static constexpr const char* kWeightsFile = "use-lite.safetensors";
  static constexpr const char* kVocabularyFile = "use-lite.vocab.json";

  // Maps the weights in `folder` and reads the vocabulary (20 ms). kUnavailable if a file is
  // absent (`./dev setup` puts them there), kCorruption if one is not what it should be.
  static Result<UseLite> Load(const std::filesystem::path& folder);

  UseLite(UseLite&&) noexcept;
  UseLite& operator=(UseLite&&) noexcept;
  ~UseLite();

  // One row of kDimensions for each text, in order. `threads` (at least 1) bounds the threads used,
  // the caller's included. A text without tokens (empty) has no vector of its own: it
  // gets the vector of the single unknown token, so that every row has length 1.
  // The same texts give the same bits whatever the number of threads; a text in another batch may
  // differ by rounding (1e-6).
  Result<std::vector<float>> Encode(std::span<const std::string> texts, int threads) const;

  // The token ids of a text, as Encode uses them.
  std::vector<int32_t> Tokens(std::string_view text) const;

 private:
  struct Network;
  explicit UseLite(std::unique_ptr<Network> network);
  std::unique_ptr<Network> network_;
};

}  // namespace almagest

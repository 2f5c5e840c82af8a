// Changes inputs at random, as libFuzzer does: bits, bytes, blocks, numbers, words of the format,
// and pieces of other inputs. The same seed and corpora give the same inputs.
#pragma once

#include <random>
#include <span>
#include <string>
#include <vector>

namespace almagest {

class Mutator {
 public:
  Mutator(uint64_t seed, std::vector<std::string> words)
      : random_(seed), words_(std::move(words)) {}

  // One of `corpus`, changed in one to eight places; at most `bytes_max` long.
  std::string Next(std::span<const std::string> corpus, size_t bytes_max);

 private:
  size_t Below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  void ChangeOnce(std::string& input, std::span<const std::string> corpus);

  std::mt19937_64 random_;
  std::vector<std::string> words_;
};

}  // namespace almagest

#include "tests/fuzz/mutator.h"

#include <algorithm>

namespace almagest {

std::string Mutator::Next(std::span<const std::string> corpus, size_t bytes_max) {
  std::string input = corpus.empty() ? std::string() : corpus[Below(corpus.size())];
  const size_t changes = 1 + Below(8);
  for (size_t i = 0; i < changes; ++i) ChangeOnce(input, corpus);
  if (input.size() > bytes_max) input.resize(bytes_max);
  return input;
}

void Mutator::ChangeOnce(std::string& input, std::span<const std::string> corpus) {
  const size_t place = Below(input.size() + 1);
  const size_t rest = input.size() - place;
  switch (Below(10)) {
    case 0:
      if (rest > 0) input[place] = static_cast<char>(input[place] ^ 1 << Below(8));
      break;
    case 1:
      if (rest > 0) input[place] = static_cast<char>(random_());
      break;
    case 2:
      input.insert(place, 1 + Below(8), static_cast<char>(random_()));
      break;
    case 3:
      input.erase(place, 1 + Below(std::min<size_t>(rest, 64)));
      break;
    case 4:  // A block twice.
      input.insert(place, input.substr(place, 1 + Below(64)));
      break;
    case 5:
      input.resize(place);
      break;
    case 6:
      if (!words_.empty()) input.insert(place, words_[Below(words_.size())]);
      break;
    case 7:  // A word in the place of others.
      if (!words_.empty()) {
        const std::string& word = words_[Below(words_.size())];
        input.replace(place, std::min(rest, word.size()), word);
      }
      break;
    case 8: {  // The end of another input.
      if (corpus.empty()) break;
      const std::string& other = corpus[Below(corpus.size())];
      input.replace(place, std::string::npos, other.substr(Below(other.size() + 1)));
      break;
    }
    default: {  // A number at a limit, in little-endian bytes.
      constexpr uint64_t kNumbers[] = {0, 1, 0x7f, 0xff, 0x7fffffff, 0xffffffff, UINT64_MAX};
      uint64_t number = kNumbers[Below(std::size(kNumbers))] + Below(3) - 1;
      for (size_t i = 0, size = size_t{1} << Below(4); i < size && place + i < input.size(); ++i) {
        input[place + i] = static_cast<char>(number >> (8 * i));
      }
    }
  }
}

}  // namespace almagest

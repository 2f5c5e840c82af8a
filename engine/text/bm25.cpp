#include "engine/text/bm25.h"

#include <cmath>
#include <cstring>
#include <map>

namespace almagest {
namespace {

uint32_t RotateLeft(uint32_t x, int bits) { return (x << bits) | (x >> (32 - bits)); }

// MurmurHash3_x86_32 (Austin Appleby, public domain), seed 0.
uint32_t Murmur3(std::string_view key) {
  constexpr uint32_t c1 = 0xcc9e2d51, c2 = 0x1b873593;
  uint32_t hash = 0;
  size_t i = 0;
  for (; i + 4 <= key.size(); i += 4) {
    uint32_t block;
    std::memcpy(&block, key.data() + i, sizeof block);
    hash ^= RotateLeft(block * c1, 15) * c2;
    hash = RotateLeft(hash, 13) * 5 + 0xe6546b64;
  }
  uint32_t tail = 0;
  for (size_t j = key.size(); j > i; --j) {
    tail = (tail << 8) | static_cast<unsigned char>(key[j - 1]);
  }
  if (i < key.size()) hash ^= RotateLeft(tail * c1, 15) * c2;
  hash ^= static_cast<uint32_t>(key.size());
  hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
  return hash ^ (hash >> 16);
}

tl::unexpected<Error> OutOfRange(const char* option, double value, const char* limit) {
  return Fail(ErrorCode::kOutOfRange,
              std::string(option) + " is " + std::to_string(value) + "; it must be " + limit);
}

}  // namespace

uint32_t Bm25TermIndex(std::string_view token) {
  const uint32_t hash = Murmur3(token);
  return (hash & 0x80000000u) != 0 ? 0u - hash : hash;
}

Result<Bm25> Bm25::Create(const Bm25Options& options) {
  if (!(options.k >= 0) || std::isinf(options.k)) {
    return OutOfRange("k", options.k, "a finite number of at least 0");
  }
  if (!(options.b >= 0 && options.b <= 1)) return OutOfRange("b", options.b, "between 0 and 1");
  if (!(options.avg_len > 0) || std::isinf(options.avg_len)) {
    return OutOfRange("avg_len", options.avg_len, "a finite number above 0");
  }
  ALMAGEST_TRY(Tokenizer tokenizer, Tokenizer::Create(options));
  return Bm25(std::move(tokenizer), options.k, options.b, options.avg_len);
}

SparseTerms Bm25::Document(std::string_view text) const {
  const std::vector<std::string> tokens = tokenizer_.Split(text, false);
  std::map<uint32_t, uint32_t> counts;
  for (const std::string& token : tokens) ++counts[Bm25TermIndex(token)];
  const double saturation = k_ * (1 - b_ + b_ * static_cast<double>(tokens.size()) / avg_len_);
  SparseTerms terms;
  terms.indices.reserve(counts.size());
  terms.values.reserve(counts.size());
  for (const auto& [index, count] : counts) {
    terms.indices.push_back(index);
    terms.values.push_back(static_cast<float>(count * (k_ + 1) / (count + saturation)));
  }
  return terms;
}

SparseTerms Bm25::Query(std::string_view text) const {
  std::map<uint32_t, float> weights;
  for (const std::string& token : tokenizer_.Split(text, true)) weights[Bm25TermIndex(token)] = 1;
  SparseTerms terms;
  for (const auto& [index, weight] : weights) {
    terms.indices.push_back(index);
    terms.values.push_back(weight);
  }
  return terms;
}

}  // namespace almagest

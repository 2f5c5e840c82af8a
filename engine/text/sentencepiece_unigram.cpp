#include "engine/text/sentencepiece_unigram.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>

namespace almagest {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581
constexpr size_t kBytesPerToken = 64;
constexpr double kUnreached = -std::numeric_limits<double>::infinity();

// The first `limit` bytes at most, not ending inside a character.
std::string_view Prefix(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// NFKC; invalid bytes become U+FFFD. ASCII is in NFKC already.
std::string NormalizeNfkc(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) return std::string(text);
  UErrorCode status = U_ZERO_ERROR;
  const auto* nfkc = icu::Normalizer2::getNFKCInstance(status);
  const auto unicode = icu::UnicodeString::fromUTF8({text.data(), static_cast<int>(text.size())});
  std::string result;
  if (U_SUCCESS(status)) nfkc->normalize(unicode, status).toUTF8String(result);
  if (U_FAILURE(status)) unicode.toUTF8String(result);
  return result;
}

// U+2581 in front and for every space.
std::string MarkSpaces(std::string_view text) {
  std::string marked(kSpaceMark);
  marked.reserve(text.size() + 64);
  for (const char c : text) {
    if (c == ' ') {
      marked += kSpaceMark;
    } else {
      marked += c;
    }
  }
  return marked;
}

}  // namespace

// A byte trie: the children of a node are a linked list, those of the root a table.
struct SentencePieceUnigram::Trie {
  struct Node {
    int32_t first_child = -1;
    int32_t next_sibling = -1;
    int32_t piece = -1;  // Id of the piece that ends here, or -1.
    unsigned char byte = 0;
  };
  std::vector<Node> nodes{Node{}};
  std::array<int32_t, 256> roots;
  std::vector<double> scores;  // By piece id.
  double unknown_score = 0;    // Of a character that no piece covers.

  Trie() { roots.fill(-1); }

  int32_t Child(int32_t node, unsigned char byte) const {
    if (node == 0) return roots[byte];
    int32_t child = nodes[node].first_child;
    while (child >= 0 && nodes[child].byte != byte) child = nodes[child].next_sibling;
    return child;
  }

  int32_t AddChild(int32_t node, unsigned char byte) {
    const auto child = static_cast<int32_t>(nodes.size());
    nodes.push_back({-1, node == 0 ? -1 : nodes[node].first_child, -1, byte});
    if (node == 0) {
      roots[byte] = child;
    } else {
      nodes[node].first_child = child;
    }
    return child;
  }

  // Of two pieces spelt alike the likelier one is kept: the other could never be the best.
  void Insert(std::string_view piece, int32_t id) {
    int32_t node = 0;
    for (const char c : piece) {
      const auto byte = static_cast<unsigned char>(c);
      const int32_t child = Child(node, byte);
      node = child >= 0 ? child : AddChild(node, byte);
    }
    int32_t& end = nodes[node].piece;
    if (end < 0 || scores[end] < scores[id]) end = id;
  }
};

SentencePieceUnigram::SentencePieceUnigram(std::unique_ptr<Trie> trie) : trie_(std::move(trie)) {}
SentencePieceUnigram::SentencePieceUnigram(SentencePieceUnigram&&) noexcept = default;
SentencePieceUnigram& SentencePieceUnigram::operator=(SentencePieceUnigram&&) noexcept = default;
SentencePieceUnigram::~SentencePieceUnigram() = default;

size_t SentencePieceUnigram::vocabulary_size() const { return trie_->scores.size(); }

Result<SentencePieceUnigram> SentencePieceUnigram::Parse(std::string_view vocabulary_json) {
  const auto pieces = nlohmann::json::parse(vocabulary_json, nullptr, false);
  if (!pieces.is_array() || pieces.size() <= kReservedPieces) {
    return Fail(ErrorCode::kCorruption, "the vocabulary is not a JSON array of pieces");
  }
  auto trie = std::make_unique<Trie>();
  double last = 0;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const auto& entry = pieces[id];
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() ||
        !(entry[1].is_number() || entry[1].is_null()) ||
        entry[0].get_ref<const std::string&>().empty()) {
      return Fail(ErrorCode::kCorruption,
                  "piece " + std::to_string(id) + " of the vocabulary is not [text, number]");
    }
    // The published file lost the numbers of the seven pieces with a colon (null). Pieces are in
    // order of falling probability, so the number before is right to two decimals.
    if (entry[1].is_number()) last = entry[1].get<double>();
    trie->scores.push_back(last);
    if (id < kReservedPieces) continue;
    trie->Insert(entry[0].get_ref<const std::string&>(), static_cast<int32_t>(id));
    trie->unknown_score = std::min(trie->unknown_score, last - 10);  // SentencePiece's penalty.
  }
  return SentencePieceUnigram(std::move(trie));
}

std::vector<int32_t> SentencePieceUnigram::Encode(std::string_view text, size_t max_tokens) const {
  if (text.empty() || max_tokens == 0) return {};
  const std::string marked = MarkSpaces(NormalizeNfkc(Prefix(text, kBytesPerToken * max_tokens)));
  const auto length = static_cast<int32_t>(marked.size());
  struct Best {
    double score = kUnreached;
    int32_t start = 0;
    int32_t id = kUnknownId;
  };
  std::vector<Best> best(marked.size() + 1);
  best[0].score = 0;
  const auto reach = [&best](int32_t start, int32_t end, int32_t id, double score) {
    if (score >= best[end].score) best[end] = {score, start, id};
  };
  int32_t start = 0;
  while (start < length) {
    int32_t next = start;
    U8_FWD_1(marked.data(), next, length);
    const double score = best[start].score;
    bool covered = false;
    int32_t node = 0;
    for (int32_t end = start; end < length;) {
      node = trie_->Child(node, static_cast<unsigned char>(marked[end++]));
      if (node < 0) break;
      const int32_t id = trie_->nodes[node].piece;
      if (id < 0) continue;
      covered = covered || end == next;
      reach(start, end, id, score + trie_->scores[id]);
    }
    if (!covered) reach(start, next, kUnknownId, score + trie_->unknown_score);
    start = next;
  }
  std::vector<int32_t> ids;
  for (int32_t end = length; end > 0; end = best[end].start) {
    const int32_t id = best[end].id;
    if (id != kUnknownId || ids.empty() || ids.back() != kUnknownId) ids.push_back(id);
  }
  std::reverse(ids.begin(), ids.end());
  if (ids.size() > max_tokens) ids.resize(max_tokens);
  return ids;
}

}  // namespace almagest

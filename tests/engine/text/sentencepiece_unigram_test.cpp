#include "engine/text/sentencepiece_unigram.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "storage/base/checksum.h"

namespace almagest {
namespace {

constexpr const char* kMark = "\xE2\x96\x81";

nlohmann::json Reserved() {
  nlohmann::json pieces = nlohmann::json::array();
  for (const char* name : {"?", "<s>", "</s>", "r1", "r2", "r3"}) pieces.push_back({name, 0});
  return pieces;
}

SentencePieceUnigram Vocabulary(const std::vector<std::pair<std::string, double>>& pieces) {
  auto json = Reserved();
  for (const auto& [piece, score] : pieces) json.push_back({piece, score});
  auto parsed = SentencePieceUnigram::Parse(json.dump());
  EXPECT_TRUE(parsed);
  return std::move(*parsed);
}

using Ids = std::vector<int32_t>;

TEST(SentencePieceUnigram, TakesTheLikeliestSegmentation) {
  const auto pieces =
      Vocabulary({{kMark, -2}, {"a", -2}, {"b", -2}, {std::string(kMark) + "a", -3}, {"ab", -1}});
  EXPECT_EQ(pieces.Encode("ab", 9), (Ids{6, 10}));     // -2 -1, not -3 -2
  EXPECT_EQ(pieces.Encode("a", 9), (Ids{9}));          // -3, not -2 -2
  EXPECT_EQ(pieces.Encode("a b", 9), (Ids{9, 6, 8}));  // a space is U+2581
  EXPECT_EQ(pieces.Encode("abab", 2), (Ids{6, 10}));   // cut to two tokens
  EXPECT_EQ(pieces.Encode("", 9), Ids{});
}

TEST(SentencePieceUnigram, UnknownCharactersMergeIntoOneId) {
  const auto pieces = Vocabulary({{kMark, -2}, {"a", -2}});
  EXPECT_EQ(pieces.Encode("axyza", 9), (Ids{6, 7, 0, 7}));
  EXPECT_EQ(pieces.Encode("\xF0\x9F\x98\x80\xE4\xB8\xAD", 9), (Ids{6, 0}));
  EXPECT_EQ(pieces.Encode("a\xFF\xFE", 9), (Ids{6, 7, 0}));  // Invalid UTF-8.
}

TEST(SentencePieceUnigram, NormalizesToNfkc) {
  const auto pieces = Vocabulary({{kMark, -2}, {"a", -2}, {"fi", -3}, {"\xC3\xA9", -4}});
  EXPECT_EQ(pieces.Encode("\xEF\xBD\x81", 9), (Ids{6, 7}));  // Fullwidth a.
  EXPECT_EQ(pieces.Encode("\xEF\xAC\x81", 9), (Ids{6, 8}));  // The ligature fi.
  EXPECT_EQ(pieces.Encode("e\xCC\x81", 9), (Ids{6, 9}));     // e and a combining acute.
  EXPECT_EQ(pieces.Encode("a\xC2\xA0"
                          "a",
                          9),
            (Ids{6, 7, 6, 7}));  // No-break space.
}

TEST(SentencePieceUnigram, AgreesWithTryingEverySegmentation) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    uint64_t state = seed;
    const auto random = [&state](uint64_t n) { return Mix64(++state * 7919) % n; };
    std::map<std::string, double> scores = {{kMark, -3.0}, {"a", -3.5}, {"b", -3.25}};
    while (scores.size() < 9) {
      std::string piece;
      for (uint64_t i = 0; i < 2 + random(2); ++i) piece += "ab"[random(2)];
      scores[piece] = -1.0 - static_cast<double>(random(1000)) / 100;
    }
    const auto pieces = Vocabulary({scores.begin(), scores.end()});
    std::string text;
    for (uint64_t i = 0; i < 1 + random(9); ++i) text += "ab"[random(2)];
    const std::string marked = kMark + text;
    std::function<double(size_t)> best = [&](size_t at) {
      if (at == marked.size()) return 0.0;
      double most = -std::numeric_limits<double>::infinity();
      for (const auto& [piece, score] : scores) {
        if (marked.compare(at, piece.size(), piece) == 0) {
          most = std::max(most, score + best(at + piece.size()));
        }
      }
      return most;
    };
    double total = 0;
    std::string spelt;
    for (const int32_t id : pieces.Encode(text, 100)) {
      const auto piece = std::next(scores.begin(), id - 6);
      spelt += piece->first;
      total += piece->second;
    }
    EXPECT_EQ(spelt, marked);
    EXPECT_NEAR(total, best(0), 1e-9);
  }
}

TEST(SentencePieceUnigram, ALostNumberIsThatOfThePieceBefore) {
  auto json = Reserved();
  json.push_back({kMark, -2});
  json.push_back({"ab", -5});
  json.push_back({":", nullptr});  // -5
  json.push_back({"a", -2});
  json.push_back({"a:", -8});
  const auto pieces = SentencePieceUnigram::Parse(json.dump());
  ASSERT_TRUE(pieces);
  EXPECT_EQ(pieces->Encode("a:", 9), (Ids{6, 9, 8}));  // -2 -5 beats -8.
}

TEST(SentencePieceUnigram, RefusesOtherFiles) {
  for (const char* text : {"", "{}", "[]", "[[\"a\",1]]", "not json"}) {
    EXPECT_EQ(SentencePieceUnigram::Parse(text).error().code, ErrorCode::kCorruption) << text;
  }
  auto json = Reserved();
  json.push_back({"a", "b"});
  EXPECT_EQ(SentencePieceUnigram::Parse(json.dump()).error().code, ErrorCode::kCorruption);
}

TEST(SentencePieceUnigram, VeryLongTextCostsNoMoreThanItsBeginning) {
  const auto pieces = Vocabulary({{kMark, -2}, {"a", -2}});
  EXPECT_EQ(pieces.Encode(std::string(50'000'000, 'a'), 4), (Ids{6, 7, 7, 7}));
}

}  // namespace
}  // namespace almagest

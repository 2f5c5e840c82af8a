// Full-text indexes: their parameters, and what their conditions find.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/payload/payload_index.h"

namespace almagest {
namespace {

using Slots = std::vector<Slot>;

std::unique_ptr<PayloadIndex> Make(const std::string& parameters,
                                   const std::vector<std::string>& texts) {
  auto config = ParsePayloadIndexConfig(parameters);
  EXPECT_TRUE(config) << config.error().message;
  auto index = PayloadIndex::Make(*PayloadPath::Parse("a"), *config);
  for (Slot slot = 0; slot < texts.size(); ++slot) {
    index->Update(slot, "", R"({"a":)" + texts[slot] + "}");
  }
  return index;
}

Slots Found(const PayloadIndex& index, std::string text, TextMode mode = TextMode::kAll) {
  const auto answer = index.Answer({"a", Match(MatchText{std::move(text), mode})});
  EXPECT_TRUE(answer.maybe.empty());
  return answer.sure.ToVector();
}

TEST(TextIndexTest, WordsOfTheQueryMustAllOccur) {
  const auto index = Make(R"("text")", {R"("The red hat")", R"("a RED-hot day")",
                                        R"(["hat","red"])", "5", R"("redhat")"});
  EXPECT_EQ(Found(*index, "red"), (Slots{0, 1, 2}));
  EXPECT_EQ(Found(*index, "hat red"), (Slots{0, 2}));
  EXPECT_EQ(Found(*index, "red shoe"), Slots{});
  EXPECT_EQ(Found(*index, "shoe day", TextMode::kAny), (Slots{1}));
  EXPECT_EQ(Found(*index, ""), Slots{});
  EXPECT_EQ(Found(*index, "?!", TextMode::kAny), Slots{});
  EXPECT_EQ(index->facts().others.ToVector(), (Slots{3}));
}

TEST(TextIndexTest, PhrasesNeedTheirPositions) {
  const std::vector<std::string> texts = {R"("the red hat and the blue hat")",
                                          R"(["big red","hat"])", R"("hat red")",
                                          R"("red red hat")"};
  const auto index = Make(R"({"type":"text","phrase_matching":true})", texts);
  EXPECT_EQ(Found(*index, "red hat", TextMode::kPhrase), (Slots{0, 3}));
  EXPECT_EQ(Found(*index, "red red", TextMode::kPhrase), (Slots{3}));
  EXPECT_EQ(Found(*index, "the blue hat", TextMode::kPhrase), (Slots{0}));
  EXPECT_EQ(Found(*index, "hat the", TextMode::kPhrase), Slots{});
  EXPECT_EQ(Found(*Make(R"({"type":"text"})", texts), "red hat", TextMode::kPhrase), Slots{});
}

TEST(TextIndexTest, UpdatesForgetWords) {
  const auto index = Make(R"({"type":"text","phrase_matching":true})", {R"("red red hat")"});
  index->Update(0, R"({"a":"red red hat"})", R"({"a":["blue hat","hat"]})");
  EXPECT_EQ(Found(*index, "red"), Slots{});
  EXPECT_EQ(Found(*index, "blue hat", TextMode::kPhrase), (Slots{0}));
  EXPECT_EQ(Found(*index, "hat hat", TextMode::kPhrase), Slots{});
  const uint64_t full = index->MemoryBytes();
  index->Update(0, R"({"a":["blue hat","hat"]})", "");
  EXPECT_EQ(Found(*index, "hat"), Slots{});
  EXPECT_LT(index->MemoryBytes(), full);
}

TEST(TextIndexTest, EveryParameterCounts) {
  struct Case {
    const char* parameters;
    const char* text;
    const char* query;
    bool found;
  };
  for (const Case& c : {
           Case{R"("tokenizer":"whitespace")", "red-hat", "red", false},
           Case{R"("tokenizer":"word")", "red-hat", "red", true},
           Case{R"("tokenizer":"prefix")", "theory", "theo", true},
           Case{R"("tokenizer":"prefix","stopwords":"english")", "theory", "the", true},
           Case{R"("tokenizer":"prefix","min_token_len":3)", "theory", "th", false},
           Case{R"("tokenizer":"prefix","max_token_len":4)", "theory", "theorem", true},
           Case{R"("tokenizer":"word")", "theory", "theo", false},
           Case{R"("tokenizer":"multilingual")", "本日の日付は", "日付", true},
           Case{R"("tokenizer":"word")", "本日の日付は", "日付", false},
           Case{R"("lowercase":false)", "Red", "red", false},
           Case{R"("lowercase":true)", "Red", "rED", true},
           Case{R"("ascii_folding":true)", "ação", "acao", true},
           Case{R"("ascii_folding":false)", "ação", "acao", false},
           Case{R"("min_token_len":3)", "an ox", "ox", false},
           Case{R"("max_token_len":3)", "long cat", "long", false},
           Case{R"("stopwords":"english")", "the cat", "the", false},
           Case{R"("stopwords":"english")", "cat", "the cat", true},
           Case{R"("stopwords":"german")", "und oder", "und", false},
           Case{R"("stopwords":{"custom":["CAT"]})", "cat", "cat", false},
           Case{R"("stopwords":{"languages":["english"],"custom":["cat"]})", "the", "the", false},
           Case{R"("stemmer":{"type":"snowball","language":"english"})", "running", "runs", true},
           Case{R"("stemmer":{"type":"snowball","language":"german"})", "Häuser", "Hauses", true},
           Case{R"("stemmer":{"type":"none"})", "running", "runs", false},
       }) {
    const std::string parameters = std::string(R"({"type":"text",)") + c.parameters + "}";
    const auto index = Make(parameters, {'"' + std::string(c.text) + '"'});
    EXPECT_EQ(Found(*index, c.query), c.found ? Slots{0} : Slots{})
        << parameters << " " << c.text << " " << c.query;
  }
}

TEST(PayloadIndexConfigTest, ReadsBackAndRefuses) {
  for (const char* good :
       {R"("keyword")", R"({"prefix":true,"type":"keyword"})",
        R"({"lookup":true,"range":false,"type":"integer"})",
        R"({"is_tenant":true,"on_disk":true,"type":"uuid"})",
        R"({"phrase_matching":true,"tokenizer":"prefix","type":"text"})", R"("geo")"}) {
    const auto config = ParsePayloadIndexConfig(good);
    ASSERT_TRUE(config) << good << config.error().message;
    EXPECT_EQ(PayloadIndexConfigToJson(*config), good);
  }
  struct Case {
    const char* json;
    const char* names;
    ErrorCode code;
  };
  for (const Case& c :
       {Case{R"("map")", "keyword", ErrorCode::kBadRequest},
        {"5", "expected", ErrorCode::kBadRequest},
        {R"({"type":"map"})", "type", ErrorCode::kBadRequest},
        {R"({"tokenizer":"word"})", "type", ErrorCode::kBadRequest},
        {R"({"type":"keyword","lookup":true})", "lookup", ErrorCode::kBadRequest},
        {R"({"type":"geo","is_tenant":true})", "is_tenant", ErrorCode::kBadRequest},
        {R"({"type":"keyword","is_tenant":1})", "is_tenant", ErrorCode::kBadRequest},
        {R"({"type":"integer","lookup":false,"range":false})", "range", ErrorCode::kOutOfRange},
        {R"({"type":"text","tokenizer":"letters"})", "letters", ErrorCode::kOutOfRange},
        {R"({"type":"text","min_token_len":5,"max_token_len":3})", "min_token_len",
         ErrorCode::kOutOfRange},
        {R"({"type":"text","min_token_len":-1})", "min_token_len", ErrorCode::kBadRequest},
        {R"({"type":"text","stopwords":["the"]})", "stopwords", ErrorCode::kBadRequest},
        {R"({"type":"text","stopwords":"klingon"})", "klingon", ErrorCode::kOutOfRange},
        {R"({"type":"text","stemmer":"english"})", "stemmer", ErrorCode::kBadRequest},
        {R"({"type":"text","stemmer":{"type":"snowball"}})", "language", ErrorCode::kBadRequest}}) {
    const auto config = ParsePayloadIndexConfig(c.json);
    ASSERT_FALSE(config) << c.json;
    EXPECT_EQ(config.error().code, c.code) << c.json;
    EXPECT_NE(config.error().message.find(c.names), std::string::npos) << config.error().message;
  }
}

}  // namespace
}  // namespace almagest

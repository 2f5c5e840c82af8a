#include "engine/payload/payload_index.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "engine/payload/payload_indexes.h"

namespace almagest {
namespace {

using Slots = std::vector<Slot>;

std::unique_ptr<PayloadIndex> Make(PayloadIndexType type,
                                   const std::vector<std::string>& payloads) {
  auto index = PayloadIndex::Make(*PayloadPath::Parse("a"), type);
  for (Slot slot = 0; slot < payloads.size(); ++slot) index->Update(slot, "", payloads[slot]);
  return index;
}
FieldCondition Value(MatchScalar value) { return {"a", Match(MatchValue{std::move(value)})}; }

TEST(PayloadIndexTest, TypeNames) {
  for (const char* name :
       {"keyword", "integer", "float", "bool", "datetime", "uuid", "geo", "text"}) {
    EXPECT_EQ(PayloadIndexTypeName(ParsePayloadIndexType(name).value()), name);
  }
  EXPECT_FALSE(ParsePayloadIndexType("map"));
}

TEST(PayloadIndexTest, KeepsTrackOfEveryKindOfValue) {
  const auto index =
      Make(PayloadIndexType::kKeyword, {R"({"a":"x"})", R"({"a":["x","y"]})", R"({"a":null})",
                                        R"({"a":[]})", R"({"a":[null]})", R"({"a":5})", "{}", ""});
  EXPECT_EQ(index->facts().filled.ToVector(), (Slots{0, 1, 4, 5}));
  EXPECT_EQ(index->facts().nulls.ToVector(), (Slots{2, 4}));
  EXPECT_EQ(index->facts().present.ToVector(), (Slots{0, 1, 5}));
  const auto x = index->Answer(Value(std::string("x")));
  EXPECT_EQ(x.sure.ToVector(), (Slots{0, 1}));
  EXPECT_TRUE(x.maybe.empty());
  // A number is not indexed here, but may be among the values of other types.
  EXPECT_EQ(index->Answer(Value(int64_t{5})).maybe.ToVector(), (Slots{5}));
  const auto except = index->Answer({"a", Match(MatchExcept{{std::string("x")}})});
  EXPECT_EQ(except.sure.ToVector(), (Slots{5}));
  EXPECT_EQ(except.maybe.ToVector(), (Slots{1}));  // Has another value too: to be read.
}

TEST(PayloadIndexTest, RangesRespectTheirBounds) {
  const std::vector<std::string> payloads = {R"({"a":1})", R"({"a":2})", R"({"a":[3,9]})",
                                             R"({"a":2.5})"};
  for (const auto type : {PayloadIndexType::kInteger, PayloadIndexType::kFloat}) {
    const auto index = Make(type, payloads);
    Range range;
    range.gt = 1;
    range.lt = 3;
    const auto answer = index->Answer({"a", range});
    EXPECT_EQ((answer.sure | answer.maybe).ToVector(), (Slots{1, 3}));
    EXPECT_TRUE(answer.sure.Contains(1));
    range = Range{};
    range.gte = 9;
    EXPECT_TRUE(index->Answer({"a", range}).sure.Contains(2));
    range.gte = 10;
    EXPECT_TRUE(index->Answer({"a", range}).sure.empty());
  }
}

TEST(PayloadIndexTest, UpdatesForgetOldValues) {
  const auto index = Make(PayloadIndexType::kInteger, {R"({"a":[1,2]})"});
  index->Update(0, R"({"a":[1,2]})", R"({"a":[2,3]})");
  EXPECT_TRUE(index->Answer(Value(int64_t{1})).sure.empty());
  EXPECT_TRUE(index->Answer(Value(int64_t{2})).sure.Contains(0));
  EXPECT_TRUE(index->Answer(Value(int64_t{3})).sure.Contains(0));
  const uint64_t with_values = index->MemoryBytes();
  index->Update(0, R"({"a":[2,3]})", "");
  EXPECT_TRUE(index->Answer(Value(int64_t{2})).sure.empty());
  EXPECT_TRUE(index->facts().filled.empty());
  EXPECT_LT(index->MemoryBytes(), with_values);
}

TEST(PayloadIndexTest, VisitsValuesInOrder) {
  const auto index = Make(PayloadIndexType::kInteger, {R"({"a":3})", R"({"a":[1,2]})", "{}"});
  const auto visited = [&](bool descending, std::optional<double> start, size_t most) {
    std::vector<double> values;
    EXPECT_TRUE(index->VisitOrdered(descending, start, [&](double value, const SlotSet& slots) {
      EXPECT_EQ(slots.ToVector(), value == 3 ? Slots{0} : Slots{1});
      values.push_back(value);
      return values.size() < most;
    }));
    return values;
  };
  EXPECT_EQ(visited(false, std::nullopt, 9), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(visited(true, std::nullopt, 2), (std::vector<double>{3, 2}));
  EXPECT_EQ(visited(false, 2, 9), (std::vector<double>{2, 3}));
  EXPECT_EQ(visited(true, 2.5, 9), (std::vector<double>{2, 1}));
  const auto words = Make(PayloadIndexType::kKeyword, {R"({"a":"x"})"});
  EXPECT_FALSE(words->VisitOrdered(false, std::nullopt, [](double, const SlotSet&) {
    ADD_FAILURE() << "a keyword index has no order";
    return true;
  }));
}

TEST(PayloadIndexesTest, InstallDescribeDrop) {
  PayloadIndexes indexes;
  EXPECT_TRUE(indexes.empty());
  const PayloadPath a = *PayloadPath::Parse("a");
  EXPECT_FALSE(indexes.Answer(a, Value(true)));
  EXPECT_FALSE(indexes.Filled(a));
  indexes.Install(Make(PayloadIndexType::kKeyword, {R"({"a":"x"})", "{}"}));
  indexes.Update(1, "{}", R"({"a":"y"})");
  const auto description = indexes.Describe();
  ASSERT_TRUE(description.contains("a"));
  EXPECT_EQ(description.at("a").config, PayloadIndexType::kKeyword);
  EXPECT_EQ(description.at("a").point_count, 2u);
  EXPECT_EQ(indexes.Filled(*PayloadPath::Parse("\"a\""))->size(), 2u);  // Any spelling.
  EXPECT_TRUE(indexes.Drop(a));
  EXPECT_FALSE(indexes.Drop(a));
}

TEST(PayloadIndexesTest, ReadersAndOneWriterAtOnce) {
  PayloadIndexes indexes;
  indexes.Install(PayloadIndex::Make(*PayloadPath::Parse("a"), PayloadIndexType::kInteger));
  const PayloadPath path = *PayloadPath::Parse("a");
  constexpr Slot kSlots = 2000;
  std::thread writer([&] {
    for (Slot slot = 0; slot < kSlots; ++slot) indexes.Update(slot, "", R"({"a":[1,2]})");
  });
  const auto read = [&] {
    uint64_t seen = 0;
    while (seen < kSlots) {
      const uint64_t now = indexes.Answer(path, Value(int64_t{1}))->sure.size();
      EXPECT_GE(now, seen);  // Slots are only added.
      seen = now;
    }
  };
  std::thread reader(read);
  read();
  reader.join();
  writer.join();
}

}  // namespace
}  // namespace almagest

// What indexes save, how evaluation ends early, and how errors come out.
#include "engine/payload/filter_evaluator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace almagest {
namespace {

class FilterEvaluatorTest : public testing::Test {
 protected:
  void SetUp() override {
    live_ = SlotSet::Range(0, 3000);
    context_.live = &live_;
    context_.indexes = &indexes_;
    context_.payloads_of = [this](std::span<const Slot> slots) {
      std::vector<std::string> payloads;
      for (const Slot slot : slots) payloads.push_back(PayloadOf(slot));
      read_ += slots.size();
      return Result<std::vector<std::string>>(std::move(payloads));
    };
  }
  static std::string PayloadOf(Slot slot) {
    return R"({"color":")" + std::string(slot % 3 == 0 ? "red" : "blue") + R"(","size":)" +
           std::to_string(slot % 10) + "}";
  }
  void Index(const char* path, PayloadIndexType type) {
    auto index = PayloadIndex::Make(*PayloadPath::Parse(path), type);
    live_.ForEach([&](Slot slot) { index->Update(slot, "", PayloadOf(slot)); });
    indexes_.Install(std::move(index));
  }
  static FieldCondition Color(const char* color) {
    return {"color", Match(MatchValue{std::string(color)})};
  }
  static FieldCondition Size(int64_t size) { return {"size", Match(MatchValue{size})}; }

  SlotSet live_;
  PayloadIndexes indexes_;
  FilterContext context_;
  size_t read_ = 0;
};

TEST_F(FilterEvaluatorTest, AnIndexedConditionReadsNothing) {
  Index("color", PayloadIndexType::kKeyword);
  Filter filter;
  filter.must = {Color("red")};
  EXPECT_EQ(EvaluateFilter(filter, context_)->size(), 1000u);
  filter.must.clear();
  filter.must_not = {Color("red"), IsEmptyCondition{"color"}, IsNullCondition{"color"}};
  EXPECT_EQ(EvaluateFilter(filter, context_)->size(), 2000u);
  EXPECT_EQ(read_, 0u);
  const auto estimate = EstimateCardinality(filter, context_).value();
  EXPECT_EQ(estimate.min, 2000u);
  EXPECT_EQ(estimate.max, 2000u);
}

TEST_F(FilterEvaluatorTest, OnlySurvivorsOfTheIndexedPartAreRead) {
  Index("color", PayloadIndexType::kKeyword);
  Filter filter;
  filter.must = {Size(3), Color("red")};  // Only color is indexed.
  EXPECT_EQ(EvaluateFilter(filter, context_)->size(), 100u);
  EXPECT_EQ(read_, 1000u);
  const auto estimate = EstimateCardinality(filter, context_).value();
  EXPECT_EQ(estimate.min, 0u);
  EXPECT_EQ(estimate.max, 1000u);
  read_ = 0;
  Filter either;
  either.should = {Size(3), Color("red")};  // Red ones are in without being read.
  EXPECT_EQ(EvaluateFilter(either, context_)->size(), 1200u);
  EXPECT_EQ(read_, 2000u);
}

TEST_F(FilterEvaluatorTest, NoFilterIsEverything) {
  EXPECT_EQ(EvaluateFilter(Filter(), context_).value(), live_);
  EXPECT_EQ(read_, 0u);
}

TEST_F(FilterEvaluatorTest, DeadlinesAndErrorsEndIt) {
  Filter filter;
  filter.must = {Size(3)};
  std::atomic<bool> cancelled{true};
  context_.deadline.cancelled = &cancelled;
  EXPECT_EQ(EvaluateFilter(filter, context_).error().code, ErrorCode::kTimeout);
  EXPECT_EQ(read_, 0u);
  cancelled = false;
  const auto payloads_of = context_.payloads_of;
  context_.payloads_of = [&](std::span<const Slot> slots) {
    cancelled = true;  // During the first batch.
    return payloads_of(slots);
  };
  EXPECT_EQ(EvaluateFilter(filter, context_).error().code, ErrorCode::kTimeout);
  EXPECT_LT(read_, 3000u);
  cancelled = false;
  context_.payloads_of = [](std::span<const Slot>) -> Result<std::vector<std::string>> {
    return Fail(ErrorCode::kUnavailable, "not now");
  };
  EXPECT_EQ(EvaluateFilter(filter, context_).error().code, ErrorCode::kUnavailable);
  context_.payloads_of = [](std::span<const Slot> slots) {
    return Result<std::vector<std::string>>(std::vector<std::string>(slots.size(), "{broken"));
  };
  EXPECT_EQ(EvaluateFilter(filter, context_).error().code, ErrorCode::kCorruption);
  filter.must = {Condition(IsEmptyCondition{"a."})};
  EXPECT_EQ(EvaluateFilter(filter, context_).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace almagest

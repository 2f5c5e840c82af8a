// Feedback as it comes in, against a real collection.
#include "engine/learning/feedback_intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/engine/learning/learning_fixture.h"

namespace almagest {
namespace {

using testing::HasSubstr;

class FeedbackIntakeTest : public LearningFixture {
 protected:
  FeedbackEvent AddOne(FeedbackInput input) {
    const auto ids = learning_->AddFeedback(*collection_, {std::move(input)});
    EXPECT_TRUE(ids) << ids.error().message;
    return learning_->ListFeedback(*collection_, {}, ids->front(), 1)->events.front();
  }
  // Sends a good event and this one: nothing may be stored.
  Error Refused(FeedbackInput input) {
    const auto added = learning_->AddFeedback(*collection_, {Graded(1, 2, 1), std::move(input)});
    EXPECT_FALSE(added);
    EXPECT_EQ(*learning_->CountFeedback(*collection_), 0u);
    EXPECT_THAT(added.error().message, testing::StartsWith("events[1]"));
    return added.error();
  }
  template <class Change>
  Error RefusedWith(const Change& change) {
    FeedbackInput input = Graded(1, 2, 1);
    change(input);
    return Refused(std::move(input));
  }
};

TEST_F(FeedbackIntakeTest, NormalisesTheQueryOfACosineField) {
  FeedbackInput input = Graded(0, 1, 1);
  input.query = DenseVector{0, 3, 0, 4};
  EXPECT_EQ(AddOne(input).query, (DenseVector{0, 0.6f, 0, 0.8f}));
  input.query = DenseVector{0, 0, 0, 0};
  EXPECT_EQ(AddOne(input).query, DenseVector(4, 0.0f));
}

TEST_F(FeedbackIntakeTest, ResolvesAPointToItsBaseVector) {
  FeedbackInput input = Graded(0, 1, 1);
  input.query = PointId{uint64_t{17}};
  const FeedbackEvent event = AddOne(input);
  for (size_t i = 0; i < kDimension; ++i) EXPECT_NEAR(event.query[i], VectorOf(17)[i], 1e-6);
  EXPECT_EQ(event.query_id, std::nullopt);
  EXPECT_GT(event.time_ms, 1'600'000'000'000);
}

TEST_F(FeedbackIntakeTest, ResolvesAQueryIdWithTextAndRanks) {
  LoggedQuery logged;
  logged.vector_name = "text";
  logged.base_vector = VectorOf(600);
  logged.text = "a large cat";
  logged.results = {uint64_t{5}, uint64_t{9}, uint64_t{2}};
  const std::string id = learning_->RememberQuery(kCollection, logged);
  FeedbackInput input;
  input.query = id;
  input.event.clicks = {{PointId{uint64_t{2}}, std::nullopt, 1},
                        {PointId{uint64_t{9}}, 7, 1},
                        {PointId{uint64_t{30}}, std::nullopt, 1}};
  const FeedbackEvent event = AddOne(input);
  EXPECT_EQ(event.vector_name, "text");
  EXPECT_EQ(event.query_text, "a large cat");
  EXPECT_EQ(event.query_id, id);
  EXPECT_EQ(event.clicks[0].rank, 3u);
  EXPECT_EQ(event.clicks[1].rank, 7u);  // As the client says.
  EXPECT_EQ(event.clicks[2].rank, std::nullopt);
}

TEST_F(FeedbackIntakeTest, RefusesBadQueries) {
  LoggedQuery sparse_only;
  sparse_only.vector_name = "terms";
  const std::string sparse_id = learning_->RememberQuery(kCollection, sparse_only);
  LoggedQuery other;
  other.vector_name = "shape";
  other.base_vector = {1, 2};
  const std::string shape_id = learning_->RememberQuery(kCollection, other);
  const std::string foreign_id = learning_->RememberQuery(kCollection + 1, other);
  const auto code = [&](auto query) {
    return RefusedWith([&](FeedbackInput& input) { input.query = query; }).code;
  };
  EXPECT_EQ(code(DenseVector{1, 2}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(DenseVector{}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(DenseVector{1, 2, std::nanf(""), 3}), ErrorCode::kOutOfRange);
  EXPECT_EQ(code(DenseVector{1, 2, INFINITY, 3}), ErrorCode::kOutOfRange);
  EXPECT_EQ(code(PointId{uint64_t{999}}), ErrorCode::kNotFound);
  EXPECT_EQ(code(std::string(32, '0')), ErrorCode::kNotFound);
  EXPECT_EQ(code(std::string("x")), ErrorCode::kNotFound);
  EXPECT_EQ(code(foreign_id), ErrorCode::kNotFound);
  EXPECT_EQ(code(shape_id), ErrorCode::kInvalidArgument);  // The event says "text".
  FeedbackInput input = Graded(1, 2, 1);
  input.query = sparse_id;
  input.event.vector_name = "";
  EXPECT_EQ(Refused(input).code, ErrorCode::kInvalidArgument);
  for (const char* name : {"absent", "terms"}) {
    input = Graded(1, 2, 1);
    input.event.vector_name = name;
    EXPECT_EQ(Refused(input).code, ErrorCode::kInvalidArgument) << name;
  }
}

TEST_F(FeedbackIntakeTest, RefusesBadValuesAndNamesThem) {
  const auto expect = [&](const std::string& message, ErrorCode code, auto change) {
    const Error error = RefusedWith([&](FeedbackInput& input) { change(input.event); });
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_THAT(error.message, HasSubstr(message));
  };
  constexpr auto kRange = ErrorCode::kOutOfRange;
  const PointId two = uint64_t{2};
  const PointId absent = uint64_t{999};
  expect(".weight is 0", kRange, [](auto& e) { e.weight = 0; });
  expect(".weight is -1", kRange, [](auto& e) { e.weight = -1; });
  expect(".weight is 100.5", kRange, [](auto& e) { e.weight = 100.5; });
  expect(".weight is nan", kRange, [](auto& e) { e.weight = NAN; });
  expect(".user has 257 bytes", kRange, [](auto& e) { e.user = std::string(257, 'u'); });
  expect("valid UTF-8", kRange, [](auto& e) { e.user = "\xff"; });
  expect(".tag has 257 bytes", kRange, [](auto& e) { e.tag = std::string(257, 't'); });
  expect(".text has", kRange, [](auto& e) { e.query_text = std::string(70'000, 't'); });
  expect(".time is -1", kRange, [](auto& e) { e.time_ms = -1; });
  expect(".time is 9", kRange, [](auto& e) { e.time_ms = INT64_MAX; });
  expect(".grades[1].grade is 10.5", kRange, [&](auto& e) { e.grades.push_back({two, 10.5}); });
  expect(".grades[1].grade is -1", kRange, [&](auto& e) { e.grades.push_back({two, -1}); });
  expect(".grades[1].grade is nan", kRange, [&](auto& e) { e.grades.push_back({two, NAN}); });
  expect(".clicks[0].rank is 0", kRange, [&](auto& e) { e.clicks.push_back({two, 0, 1}); });
  expect(".clicks[0].weight is 0", kRange, [&](auto& e) { e.clicks.push_back({two, 1, 0}); });
  expect(".impressions[0].rank is 2000000", kRange, [&](auto& e) {
    e.impressions.push_back({two, 2'000'000});
  });
  expect("over itself", kRange, [&](auto& e) { e.preferences.push_back({two, two}); });
  expect(".negatives has 1001 entries, the limit is 1000", kRange,
         [&](auto& e) { e.negatives.assign(1'001, two); });
  expect("no point 999", ErrorCode::kNotFound, [&](auto& e) { e.negatives = {absent}; });
  expect("no point 999", ErrorCode::kNotFound, [&](auto& e) { e.clicks = {{absent, 1, 1}}; });
  expect("no point 999", ErrorCode::kNotFound, [&](auto& e) { e.preferences = {{two, absent}}; });
  expect("no point 999", ErrorCode::kNotFound, [&](auto& e) { e.impressions = {{absent, 1}}; });
  expect("no point 999", ErrorCode::kNotFound, [&](auto& e) { e.grades = {{absent, 1}}; });
  expect("names no point", ErrorCode::kInvalidArgument, [](auto& e) { e.grades.clear(); });
}

TEST_F(FeedbackIntakeTest, RefusesABatchThatIsTooLarge) {
  std::vector<FeedbackInput> inputs(kFeedbackBatchMax + 1, Graded(1, 2, 1));
  const auto added = learning_->AddFeedback(*collection_, inputs);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(*learning_->CountFeedback(*collection_), 0u);
}

}  // namespace
}  // namespace almagest

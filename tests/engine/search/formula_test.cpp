// Formulas: random ones against a twin that computes beside, defaults, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "engine/search/diversify.h"
#include "engine/search/formula_scoring.h"
#include "engine/search/hydrate.h"
#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

using Kind = Expression::Kind;
using ::testing::HasSubstr;

// An expression and what it should come to; nullopt: an error.
struct Twin {
  Expression expression;
  std::optional<double> value;
};

Expression Leaf(Kind kind, size_t index, double number = 0) {
  Expression leaf;
  leaf.kind = kind;
  leaf.index = index;
  leaf.number = number;
  return leaf;
}
PayloadVariable Number(double number) {
  PayloadVariable variable;
  variable.kind = PayloadVariable::Kind::kNumber;
  variable.number = number;
  return variable;
}
Expression Node(Kind kind, std::vector<Expression> operands) {
  Expression node;
  node.kind = kind;
  node.operands = std::move(operands);
  return node;
}

class FormulaTwin {
 public:
  explicit FormulaTwin(uint64_t seed) : random_(seed) {
    for (const char* name : {"a", "b", "c"}) {
      query.variables.push_back(*PayloadPath::Parse(name));
      query.defaults.emplace_back();
    }
    inputs.scores = {0.5, std::nullopt, -2.0};
    inputs.variables = {Number(3), std::nullopt, std::nullopt};
    query.defaults[1] = Number(7);
    query.default_scores[1] = 1.5;
    inputs.conditions = {true, false};
  }

  Twin Random(int depth) {
    switch (random_() % (depth == 0 ? 4 : 14)) {
      case 0: {
        const double number = static_cast<double>(static_cast<int>(random_() % 9)) - 4;
        return {Leaf(Kind::kConstant, 0, number), number};
      }
      case 1: {
        const size_t index = random_() % 5;  // 3 and 4: no such prefetch and no default.
        const double values[] = {0.5, 1.5, -2.0, 0, 0};
        return {Leaf(Kind::kScore, index), values[index]};
      }
      case 2: {
        const size_t index = random_() % 3;
        const std::optional<double> values[] = {3.0, 7.0, std::nullopt};
        return {Leaf(Kind::kPayload, index), values[index]};
      }
      case 3: {
        const size_t index = random_() % 2;
        return {Leaf(Kind::kCondition, index), index == 0 ? 1.0 : 0.0};
      }
      case 4:
        return Fold(Kind::kSum, depth);
      case 5:
        return Fold(Kind::kProduct, depth);
      case 6:
        return Unary(Kind::kNegation, depth, [](double x) { return -x; });
      case 7:
        return Unary(Kind::kAbsolute, depth, [](double x) { return std::abs(x); });
      case 8:
        return Unary(Kind::kSquareRoot, depth, [](double x) { return std::sqrt(x); });
      case 9:
        return Unary(Kind::kExponential, depth, [](double x) { return std::exp(x); });
      case 10:
        return Unary(Kind::kLogarithm, depth, [](double x) { return std::log(x); });
      case 11:
        return Unary(Kind::kLogarithm10, depth, [](double x) { return std::log10(x); });
      case 12:
        return Quotient(depth);
      default:
        return Decay(depth);
    }
  }

  FormulaQuery query;
  FormulaInputs inputs;

 private:
  static std::optional<double> Finite(double value) {
    return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
  }
  Twin Unary(Kind kind, int depth, const std::function<double(double)>& function) {
    Twin operand = Random(depth - 1);
    Twin twin{Node(kind, {operand.expression}), std::nullopt};
    if (operand.value) twin.value = Finite(function(*operand.value));
    return twin;
  }
  Twin Fold(Kind kind, int depth) {
    Twin twin{Node(kind, {}), kind == Kind::kSum ? 0.0 : 1.0};
    bool is_zero = false;  // Of a product: the rest does not matter.
    for (size_t i = random_() % 4; i > 0; --i) {
      const Twin operand = Random(depth - 1);
      twin.expression.operands.push_back(operand.expression);
      if (!twin.value || is_zero) continue;
      if (!operand.value) {
        twin.value = std::nullopt;
      } else if (kind == Kind::kSum) {
        *twin.value += *operand.value;
      } else {
        is_zero = *operand.value == 0;
        *twin.value = is_zero ? 0.0 : *twin.value * *operand.value;
      }
    }
    return twin;
  }
  Twin Quotient(int depth) {
    const Twin left = Random(depth - 1), right = Random(depth - 1);
    Twin twin{Node(Kind::kQuotient, {left.expression, right.expression}), std::nullopt};
    if (random_() % 2) twin.expression.by_zero = 42;
    if (left.value && *left.value == 0) {
      twin.value = 0;
    } else if (left.value && right.value) {
      twin.value = *right.value == 0 && twin.expression.by_zero
                       ? twin.expression.by_zero
                       : Finite(*left.value / *right.value);
    }
    return twin;
  }
  // Each decay gives its midpoint at the distance of one scale.
  Twin Decay(int depth) {
    const Twin x = Random(depth - 1), target = Random(depth - 1);
    const double midpoint = 0.25, scale = 2;
    const Kind kinds[] = {Kind::kLinearDecay, Kind::kExponentialDecay, Kind::kGaussDecay};
    const size_t kind = random_() % 3;
    Twin twin{Node(kinds[kind], {x.expression, target.expression}), std::nullopt};
    twin.expression.number = kind == 0   ? (1 - midpoint) / scale
                             : kind == 1 ? std::log(midpoint) / scale
                                         : std::log(midpoint) / (scale * scale);
    if (!x.value || !target.value) return twin;
    const double steps = std::abs(*x.value - *target.value) / scale;
    twin.value = kind == 0   ? std::max(0.0, 1 - (1 - midpoint) * steps)
                 : kind == 1 ? std::pow(midpoint, steps)
                             : std::pow(midpoint, steps * steps);
    return twin;
  }

  std::mt19937_64 random_;
};

TEST(Formula, EqualsTheTwin) {
  size_t values = 0, errors = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    FormulaTwin twin(seed);
    const Twin expected = twin.Random(static_cast<int>(1 + seed % 4));
    twin.query.root = expected.expression;
    const auto value = EvaluateFormula(twin.query, twin.inputs);
    const bool fits = expected.value && std::isfinite(static_cast<float>(*expected.value));
    ASSERT_EQ(value.has_value(), fits) << (value ? "a value" : value.error().message);
    if (fits) {
      ASSERT_NEAR(*value, *expected.value, 1e-9 * (1 + std::abs(*expected.value)));
    } else {
      ASSERT_EQ(value.error().code, ErrorCode::kInvalidArgument);
    }
    ++(fits ? values : errors);
  }
  EXPECT_GT(values, 1000u);
  EXPECT_GT(errors, 100u);
}

TEST(Formula, NamesWhatIsMissing) {
  FormulaTwin twin(1);
  twin.query.root = Leaf(Kind::kPayload, 2);
  EXPECT_EQ(EvaluateFormula(twin.query, twin.inputs).error().message,
            "Expected number value for c in the payload and/or in the formula defaults. Error: No "
            "value found in a payload nor defaults");
  twin.query.root = Leaf(Kind::kDatetime, 0);
  EXPECT_THAT(EvaluateFormula(twin.query, twin.inputs).error().message,
              HasSubstr("Expected datetime value for a"));
  twin.query.root =
      Node(Kind::kQuotient, {Leaf(Kind::kConstant, 0, 1), Leaf(Kind::kConstant, 0, 0)});
  EXPECT_EQ(EvaluateFormula(twin.query, twin.inputs).error().message,
            "The expression 1/0 = inf produced a non-finite number");
  // Too large for the float32 that scores are.
  twin.query.root = Leaf(Kind::kConstant, 0, 1e39);
  EXPECT_THAT(EvaluateFormula(twin.query, twin.inputs).error().message, HasSubstr("float32"));
}

// What ranks and what fetches look at the clock themselves, however far a query has come.
TEST_F(CollectionTest, WorkStopsAtTheDeadline) {
  Upsert({RandomPoint(random, 1), RandomPoint(random, 2)});
  const std::atomic<bool> cancelled{true};
  Deadline deadline;
  deadline.cancelled = &cancelled;
  const std::vector<std::vector<RankedSlot>> lists = {{{0, 1}, {1, 0.5f}}};
  EXPECT_EQ(ScoreByFormula(*collection, {}, lists, deadline).error().code, ErrorCode::kTimeout);
  EXPECT_EQ(SelectDiverse(
                std::vector<float>{1, 2}, [](size_t, size_t) { return 0.0f; }, 0.5, 2, deadline)
                .error()
                .code,
            ErrorCode::kTimeout);
  auto hits = IdentifySlots(*collection, lists.front());
  ASSERT_EQ(hits.size(), 2u);
  EXPECT_EQ(Hydrate(*collection, hits, {}, {}, deadline).error().code, ErrorCode::kTimeout);
  EXPECT_EQ(Hydrate(*collection, hits, {}, {})->size(), 2u);
}

TEST(PayloadVariables, TakesTheOneValueOfAPath) {
  const std::vector<PayloadPath> paths = {
      *PayloadPath::Parse("n"),    *PayloadPath::Parse("one"), *PayloadPath::Parse("two[]"),
      *PayloadPath::Parse("none"), *PayloadPath::Parse("at"),  *PayloadPath::Parse("deep.x"),
      *PayloadPath::Parse("null")};
  const auto read = ReadVariables(
      R"({"n": 2, "one": [1.5], "two": [1, 2], "none": [], "at": {"lon": 13, "lat": 52},
          "deep": {"x": "text"}, "null": null})",
      paths);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ((*read)[0]->number, 2);
  EXPECT_EQ((*read)[1]->number, 1.5);
  EXPECT_EQ((*read)[2]->kind, PayloadVariable::Kind::kOther);
  EXPECT_FALSE((*read)[3].has_value());
  EXPECT_EQ((*read)[4]->kind, PayloadVariable::Kind::kGeoPoint);
  EXPECT_EQ((*read)[4]->point.lat, 52);
  EXPECT_EQ((*read)[5]->text, "text");
  EXPECT_EQ((*read)[6]->kind, PayloadVariable::Kind::kOther);
}

}  // namespace
}  // namespace almagest

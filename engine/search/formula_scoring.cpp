#include "engine/search/formula_scoring.h"

#include <algorithm>
#include <cmath>

#include "engine/payload/datetime.h"
#include "engine/payload/geo.h"

namespace almagest {
namespace {

using Kind = Expression::Kind;
using VariableKind = PayloadVariable::Kind;

constexpr size_t kBatch = 256;  // Payloads read at once.

std::string Number(double value) {
  std::string text = std::to_string(value);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

// Evaluates one formula on one point.
class Evaluator {
 public:
  Evaluator(const FormulaQuery& formula, const FormulaInputs& inputs)
      : formula_(formula), inputs_(inputs) {}

  Result<double> Evaluate(const Expression& expression) const;

 private:
  // The variable's value or its default, if it is of that kind.
  Result<PayloadVariable> Variable(size_t index, VariableKind kind, const char* type) const;
  Result<double> Datetime(size_t index) const;
  Result<double> Product(const std::vector<Expression>& factors) const;
  Result<double> Quotient(const Expression& expression) const;
  Result<double> Decay(const Expression& expression) const;
  static Result<double> Finite(double value, const std::string& what);

  const FormulaQuery& formula_;
  const FormulaInputs& inputs_;
};

// The words are Qdrant's: clients look for them.
tl::unexpected<Error> VariableError(const PayloadPath& path, const char* type, const char* what) {
  return Fail(ErrorCode::kInvalidArgument,
              "Expected " + std::string(type) + " value for " + path.ToString() +
                  " in the payload and/or in the formula defaults. Error: " + what);
}

Result<PayloadVariable> Evaluator::Variable(size_t index, VariableKind kind,
                                            const char* type) const {
  const auto& own = inputs_.variables[index];
  const auto& variable = own ? own : formula_.defaults[index];
  if (!variable) {
    return VariableError(formula_.variables[index], type,
                         "No value found in a payload nor defaults");
  }
  if (variable->kind != kind) {
    return VariableError(formula_.variables[index], type,
                         kind == VariableKind::kNumber ? "Value is not a number"
                         : kind == VariableKind::kText ? "Value is not a string"
                                                       : "Value is not a geo point");
  }
  return *variable;
}

Result<double> Evaluator::Datetime(size_t index) const {
  ALMAGEST_TRY(const PayloadVariable variable, Variable(index, VariableKind::kText, "datetime"));
  const auto micros = ParseDatetime(variable.text);
  if (!micros) {
    return VariableError(formula_.variables[index], "datetime", "Value is not a date and time");
  }
  return static_cast<double>(*micros) / 1e6;
}

Result<double> Evaluator::Finite(double value, const std::string& what) {
  if (std::isfinite(value)) return value;
  return Fail(ErrorCode::kInvalidArgument,
              "The expression " + what + " = " + Number(value) + " produced a non-finite number");
}

Result<double> Evaluator::Product(const std::vector<Expression>& factors) const {
  double product = 1;
  for (const Expression& factor : factors) {
    ALMAGEST_TRY(const double value, Evaluate(factor));
    if (value == 0) return 0.0;
    product *= value;
  }
  return product;
}

Result<double> Evaluator::Quotient(const Expression& expression) const {
  ALMAGEST_TRY(const double left, Evaluate(expression.operands[0]));
  if (left == 0) return 0.0;
  ALMAGEST_TRY(const double right, Evaluate(expression.operands[1]));
  if (right == 0 && expression.by_zero) return *expression.by_zero;
  return Finite(left / right, Number(left) + "/" + Number(right));
}

Result<double> Evaluator::Decay(const Expression& expression) const {
  ALMAGEST_TRY(const double x, Evaluate(expression.operands[0]));
  ALMAGEST_TRY(const double target, Evaluate(expression.operands[1]));
  const double distance = std::abs(x - target);
  const double factor = expression.number;
  if (expression.kind == Kind::kLinearDecay) return std::max(0.0, 1 - factor * distance);
  if (expression.kind == Kind::kGaussDecay) return std::exp(factor * distance * distance);
  return std::exp(factor * distance);
}

Result<double> Evaluator::Evaluate(const Expression& expression) const {
  switch (expression.kind) {
    case Kind::kConstant:
      return expression.number;
    case Kind::kScore: {
      const size_t index = expression.index;
      if (index < inputs_.scores.size() && inputs_.scores[index]) return *inputs_.scores[index];
      const auto found = formula_.default_scores.find(index);
      return found == formula_.default_scores.end() ? 0.0 : found->second;
    }
    case Kind::kPayload: {
      ALMAGEST_TRY(const PayloadVariable variable,
                   Variable(expression.index, VariableKind::kNumber, "number"));
      return variable.number;
    }
    case Kind::kDatetime:
      return Datetime(expression.index);
    case Kind::kGeoDistance: {
      ALMAGEST_TRY(const PayloadVariable variable,
                   Variable(expression.index, VariableKind::kGeoPoint, "geo point"));
      return DistanceMeters(expression.origin, variable.point);
    }
    case Kind::kCondition:
      return inputs_.conditions[expression.index] ? 1.0 : 0.0;
    case Kind::kSum: {
      double sum = 0;
      for (const Expression& operand : expression.operands) {
        ALMAGEST_TRY(const double value, Evaluate(operand));
        sum += value;
      }
      return sum;
    }
    case Kind::kProduct:
      return Product(expression.operands);
    case Kind::kQuotient:
      return Quotient(expression);
    case Kind::kLinearDecay:
    case Kind::kExponentialDecay:
    case Kind::kGaussDecay:
      return Decay(expression);
    default:
      break;
  }
  ALMAGEST_TRY(const double value, Evaluate(expression.operands[0]));
  switch (expression.kind) {
    case Kind::kNegation:
      return -value;
    case Kind::kAbsolute:
      return std::abs(value);
    case Kind::kSquareRoot:
      return Finite(std::sqrt(value), "sqrt(" + Number(value) + ")");
    case Kind::kExponential:
      return Finite(std::exp(value), "exp(" + Number(value) + ")");
    case Kind::kLogarithm10:
      return Finite(std::log10(value), "log10(" + Number(value) + ")");
    case Kind::kLogarithm:
      return Finite(std::log(value), "ln(" + Number(value) + ")");
    default:
      break;
  }
  ALMAGEST_TRY(const double exponent, Evaluate(expression.operands[1]));
  return Finite(std::pow(value, exponent), Number(value) + "^" + Number(exponent));
}

// Which of `slots` meet each condition.
Result<std::vector<SlotSet>> FindMatches(const Collection& collection, const FormulaQuery& formula,
                                         std::span<const Slot> slots, const Deadline& deadline) {
  std::vector<SlotSet> matches;
  if (formula.conditions.empty()) return matches;
  // Only the payloads of these points are read, where no index decides.
  HasIdCondition among;
  for (const Slot slot : slots) {
    if (const auto point = collection.FindPoint(slot)) among.ids.push_back(point->id);
  }
  for (const Condition& condition : formula.conditions) {
    Filter filter;
    filter.must = {among, condition};
    ALMAGEST_TRY(SlotSet found, collection.MatchingSlots(filter, deadline));
    matches.push_back(std::move(found));
  }
  return matches;
}

}  // namespace

Result<double> EvaluateFormula(const FormulaQuery& formula, const FormulaInputs& inputs) {
  ALMAGEST_TRY(const double value, Evaluator(formula, inputs).Evaluate(formula.root));
  if (std::isfinite(static_cast<float>(value))) return value;
  return Fail(ErrorCode::kInvalidArgument,
              "The expression " + Number(value) + " as float32 produced a non-finite number");
}

Result<std::vector<RankedSlot>> ScoreByFormula(const Collection& collection,
                                               const FormulaQuery& formula,
                                               std::span<const std::vector<RankedSlot>> lists,
                                               const Deadline& deadline) {
  std::unordered_map<Slot, std::vector<std::optional<double>>> scores;
  for (size_t i = 0; i < lists.size(); ++i) {
    for (const RankedSlot& entry : lists[i]) {
      auto& own = scores[entry.slot];
      own.resize(lists.size());
      own[i] = entry.score;
    }
  }
  std::vector<Slot> slots;
  slots.reserve(scores.size());
  for (const auto& entry : scores) slots.push_back(entry.first);
  std::ranges::sort(slots);
  ALMAGEST_TRY(const auto matches, FindMatches(collection, formula, slots, deadline));
  std::vector<RankedSlot> ranked;
  ranked.reserve(slots.size());
  FormulaInputs inputs;
  inputs.conditions.resize(matches.size());
  for (size_t first = 0; first < slots.size(); first += kBatch) {
    if (deadline.Expired()) return Fail(ErrorCode::kTimeout, "the formula exceeded its time limit");
    const auto batch = std::span(slots).subspan(first, std::min(kBatch, slots.size() - first));
    std::vector<std::string> payloads(batch.size());
    if (!formula.variables.empty()) {
      ALMAGEST_TRY(payloads, collection.Payloads(batch));
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!collection.FindPoint(batch[i])) continue;  // Deleted meanwhile.
      inputs.scores = std::move(scores[batch[i]]);
      ALMAGEST_TRY(inputs.variables, ReadVariables(payloads[i], formula.variables));
      for (size_t c = 0; c < matches.size(); ++c) {
        inputs.conditions[c] = matches[c].Contains(batch[i]);
      }
      ALMAGEST_TRY(const double score, EvaluateFormula(formula, inputs));
      ranked.push_back({batch[i], static_cast<float>(score)});
    }
  }
  std::ranges::sort(ranked, RanksBefore);
  return ranked;
}

}  // namespace almagest

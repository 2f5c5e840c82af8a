#include "http/formula_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "engine/payload/datetime.h"
#include "http/error_response.h"
#include "http/filter_parser.h"

namespace almagest {
namespace {

using Kind = Expression::Kind;

// Numbers of a formula are float32, as in Qdrant.
Result<double> ParseNumber(const JsonValue& value) {
  ALMAGEST_TRY(const double number, value.AsDouble());
  const auto narrow = static_cast<float>(number);
  if (!std::isfinite(narrow)) {
    return Fail(FormatError(value.path(), "expected a number within the range of float32"));
  }
  return static_cast<double>(narrow);
}

Result<std::optional<double>> FindNumber(const JsonValue& object, std::string_view key) {
  const auto value = object.Find(key);
  if (!value) return std::optional<double>();
  ALMAGEST_TRY(const double number, ParseNumber(*value));
  return std::optional<double>(number);
}

// "$score" is the first prefetch's, "$score[i]" another's; nullopt for payload keys.
Result<std::optional<size_t>> ParseScore(std::string_view path, std::string_view text) {
  if (!text.starts_with('$')) return std::optional<size_t>();
  if (text == "$score") return std::optional<size_t>(0);
  constexpr std::string_view kPrefix = "$score[";
  size_t index = 0;
  if (text.starts_with(kPrefix) && text.ends_with(']')) {
    const char* end = text.data() + text.size() - 1;
    const auto parsed = std::from_chars(text.data() + kPrefix.size(), end, index);
    if (parsed.ec == std::errc() && parsed.ptr == end) return std::optional<size_t>(index);
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("failed to parse variable ID {} at {}: Invalid reserved variable: "
                          "expected $score or $score[i]",
                          text.substr(0, 100), path));
}

class FormulaParser {
 public:
  Result<FormulaQuery> Parse(const JsonValue& query);

 private:
  Result<Expression> ParseExpression(const JsonValue& value, size_t depth);
  Result<Expression> ParseVariable(const JsonValue& value);
  // An object of the one key `name`, whose value is `argument`.
  Result<Expression> ParseOperation(std::string_view name, const JsonValue& argument, size_t depth);
  Result<Expression> ParseOperands(Kind kind, const JsonValue& list, size_t depth);
  Result<Expression> ParseDecay(Kind kind, const JsonValue& params, size_t depth);
  Result<Expression> ParseGeoDistance(const JsonValue& params);
  Result<Expression> ParseKey(Kind kind, const JsonValue& key);
  Result<> AddOperand(const JsonValue& object, std::string_view key, size_t depth,
                      Expression& expression);
  Result<> ParseDefaults(const JsonValue& defaults);
  size_t IndexOf(PayloadPath path);

  FormulaQuery formula_;
  size_t nodes_ = 0;
};

size_t FormulaParser::IndexOf(PayloadPath path) {
  const auto found = std::ranges::find(formula_.variables, path);
  const auto index = static_cast<size_t>(found - formula_.variables.begin());
  if (found == formula_.variables.end()) formula_.variables.push_back(std::move(path));
  return index;
}

Result<Expression> FormulaParser::ParseKey(Kind kind, const JsonValue& key) {
  ALMAGEST_TRY(const std::string_view text, key.AsString());
  ALMAGEST_TRY(PayloadPath path, PayloadPath::Parse(text));
  Expression expression;
  expression.kind = kind;
  expression.index = IndexOf(std::move(path));
  return expression;
}

Result<Expression> FormulaParser::ParseVariable(const JsonValue& value) {
  ALMAGEST_TRY(const std::string_view text, value.AsString());
  ALMAGEST_TRY(const auto score, ParseScore(value.path(), text));
  if (!score) return ParseKey(Kind::kPayload, value);
  Expression expression;
  expression.kind = Kind::kScore;
  expression.index = *score;
  return expression;
}

Result<> FormulaParser::AddOperand(const JsonValue& object, std::string_view key, size_t depth,
                                   Expression& expression) {
  ALMAGEST_TRY(const JsonValue value, object.Require(key));
  ALMAGEST_TRY(Expression operand, ParseExpression(value, depth + 1));
  expression.operands.push_back(std::move(operand));
  return {};
}

Result<Expression> FormulaParser::ParseOperands(Kind kind, const JsonValue& list, size_t depth) {
  ALMAGEST_TRY(const auto items, list.Items());
  Expression expression;
  expression.kind = kind;
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(Expression operand, ParseExpression(item, depth + 1));
    expression.operands.push_back(std::move(operand));
  }
  return expression;
}

Result<Expression> FormulaParser::ParseGeoDistance(const JsonValue& params) {
  ALMAGEST_TRY(const JsonValue origin, params.Require("origin"));
  ALMAGEST_TRY(const JsonValue to, params.Require("to"));
  ALMAGEST_TRY(const JsonValue lon, origin.Require("lon"));
  ALMAGEST_TRY(const JsonValue lat, origin.Require("lat"));
  ALMAGEST_TRY(Expression expression, ParseKey(Kind::kGeoDistance, to));
  ALMAGEST_TRY(expression.origin.lon, lon.AsDoubleIn(-180, 180));
  ALMAGEST_TRY(expression.origin.lat, lat.AsDoubleIn(-90, 90));
  return expression;
}

Result<Expression> FormulaParser::ParseDecay(Kind kind, const JsonValue& params, size_t depth) {
  Expression decay;
  decay.kind = kind;
  ALMAGEST_TRY_VOID(AddOperand(params, "x", depth, decay));
  if (params.Find("target")) {
    ALMAGEST_TRY_VOID(AddOperand(params, "target", depth, decay));
  } else {
    decay.operands.emplace_back();
  }
  ALMAGEST_TRY(const auto given_midpoint, FindNumber(params, "midpoint"));
  ALMAGEST_TRY(const auto given_scale, FindNumber(params, "scale"));
  const double midpoint = given_midpoint.value_or(0.5);
  const double scale = given_scale.value_or(1.0);
  const bool is_linear = kind == Kind::kLinearDecay;
  if (is_linear ? midpoint < 0 || midpoint > 1 : midpoint <= 0 || midpoint >= 1) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} midpoint should be in the range {}, got {}.",
                            is_linear ? "Linear decay" : "Decay",
                            is_linear ? "[0.0, 1.0]" : "(0.0, 1.0)", midpoint));
  }
  if (scale <= 0) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("Decay scale should be non-zero positive, got {}.", scale));
  }
  decay.number = is_linear                   ? (1 - midpoint) / scale
                 : kind == Kind::kGaussDecay ? std::log(midpoint) / (scale * scale)
                                             : std::log(midpoint) / scale;
  return decay;
}

Result<Expression> FormulaParser::ParseOperation(std::string_view name, const JsonValue& argument,
                                                 size_t depth) {
  Expression expression;
  if (name == "sum") return ParseOperands(Kind::kSum, argument, depth);
  if (name == "mult") return ParseOperands(Kind::kProduct, argument, depth);
  if (name == "lin_decay") return ParseDecay(Kind::kLinearDecay, argument, depth);
  if (name == "exp_decay") return ParseDecay(Kind::kExponentialDecay, argument, depth);
  if (name == "gauss_decay") return ParseDecay(Kind::kGaussDecay, argument, depth);
  if (name == "geo_distance") return ParseGeoDistance(argument);
  if (name == "datetime_key") return ParseKey(Kind::kDatetime, argument);
  if (name == "datetime") {
    ALMAGEST_TRY(const std::string_view text, argument.AsString());
    const auto micros = ParseDatetime(text);
    if (!micros) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("failed to parse date-time {} at {}",
                                                           text.substr(0, 100), argument.path()));
    }
    expression.number = static_cast<double>(*micros) / 1e6;
    return expression;
  }
  if (name == "div") {
    expression.kind = Kind::kQuotient;
    ALMAGEST_TRY_VOID(AddOperand(argument, "left", depth, expression));
    ALMAGEST_TRY_VOID(AddOperand(argument, "right", depth, expression));
    ALMAGEST_TRY(expression.by_zero, FindNumber(argument, "by_zero_default"));
    return expression;
  }
  if (name == "pow") {
    expression.kind = Kind::kPower;
    ALMAGEST_TRY_VOID(AddOperand(argument, "base", depth, expression));
    ALMAGEST_TRY_VOID(AddOperand(argument, "exponent", depth, expression));
    return expression;
  }
  expression.kind = name == "neg"    ? Kind::kNegation
                    : name == "abs"  ? Kind::kAbsolute
                    : name == "sqrt" ? Kind::kSquareRoot
                    : name == "exp"  ? Kind::kExponential
                    : name == "ln"   ? Kind::kLogarithm
                                     : Kind::kLogarithm10;
  ALMAGEST_TRY(Expression operand, ParseExpression(argument, depth + 1));
  expression.operands.push_back(std::move(operand));
  return expression;
}

Result<Expression> FormulaParser::ParseExpression(const JsonValue& value, size_t depth) {
  constexpr std::array<std::string_view, 16> kOperations = {
      "sum",         "mult",         "neg",      "abs",         "div",       "sqrt",
      "pow",         "exp",          "log10",    "ln",          "lin_decay", "exp_decay",
      "gauss_decay", "geo_distance", "datetime", "datetime_key"};
  if (++nodes_ > kFormulaNodesMax) {
    return Fail(ValueError(value.path(), fmt::format("as node {}", nodes_),
                           fmt::format("one of at most {} nodes of a formula", kFormulaNodesMax)));
  }
  if (depth > kFormulaDepthMax) {
    return Fail(ValueError(value.path(), fmt::format("at depth {}", depth),
                           fmt::format("nested at most {} deep", kFormulaDepthMax)));
  }
  if (value.IsNumber()) {
    Expression constant;
    ALMAGEST_TRY(constant.number, ParseNumber(value));
    return constant;
  }
  if (value.IsString()) return ParseVariable(value);
  if (!value.IsObject()) {
    return Fail(FormatError(value.path(),
                            "expected an expression: a number, a variable, a "
                            "condition or an operation"));
  }
  for (const std::string_view name : kOperations) {
    const auto argument = value.Find(name);
    if (!argument) continue;
    ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({name}));
    return ParseOperation(name, *argument, depth);
  }
  Expression expression;
  expression.kind = Kind::kCondition;
  expression.index = formula_.conditions.size();
  ALMAGEST_TRY(Condition condition, ParseOneCondition(value));
  formula_.conditions.push_back(std::move(condition));
  return expression;
}

Result<> FormulaParser::ParseDefaults(const JsonValue& defaults) {
  ALMAGEST_TRY(const auto members, defaults.Members());
  const std::vector<PayloadPath> path = {*PayloadPath::Parse("v")};
  for (const auto& [key, value] : members) {
    ALMAGEST_TRY(const auto score, ParseScore(defaults.path(), key));
    if (score) {
      // Qdrant takes a default that is no number for 0.
      if (value.IsNumber()) formula_.default_scores[*score] = *value.AsDouble();
      continue;
    }
    ALMAGEST_TRY(PayloadPath name, PayloadPath::Parse(key));
    const size_t index = IndexOf(std::move(name));
    formula_.defaults.resize(formula_.variables.size());
    ALMAGEST_TRY(auto variables, ReadVariables(fmt::format("{{\"v\":{}}}", value.ToJson()), path));
    formula_.defaults[index] = std::move(variables.front());
  }
  return {};
}

Result<FormulaQuery> FormulaParser::Parse(const JsonValue& query) {
  ALMAGEST_TRY(const JsonValue root, query.Require("formula"));
  ALMAGEST_TRY(formula_.root, ParseExpression(root, 0));
  const size_t used = formula_.variables.size();
  if (const auto defaults = query.Find("defaults")) ALMAGEST_TRY_VOID(ParseDefaults(*defaults));
  // Defaults of keys that the formula does not mention need not be read from payloads.
  formula_.variables.resize(used);
  formula_.defaults.resize(used);
  return std::move(formula_);
}

}  // namespace

Result<FormulaQuery> ParseFormula(const JsonValue& query) { return FormulaParser().Parse(query); }

}  // namespace almagest

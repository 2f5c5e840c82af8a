// Formula queries: scores computed from the scores of prefetches and from payloads.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "engine/payload/filter.h"
#include "engine/payload/payload_path.h"
#include "engine/payload/payload_variables.h"

namespace almagest {

// A node of a formula. Everything is computed in float64; constants were float32.
struct Expression {
  enum class Kind : uint8_t {
    kConstant,     // `number`. Dates and times are constants too: seconds since 1970.
    kScore,        // Of prefetch `index`; its default, else 0, where the point is not among them.
    kPayload,      // The number that variable `index` has.
    kDatetime,     // The time that variable `index` has, in seconds since 1970.
    kGeoDistance,  // Metres from `origin` to the point that variable `index` has.
    kCondition,    // 1 if the point meets condition `index`, else 0.
    kSum,
    kProduct,  // 0 as soon as one factor is 0: the others are not looked at.
    kNegation,
    kAbsolute,
    kQuotient,  // operands[0] / operands[1]; 0 / x is 0 without looking at x.
    kSquareRoot,
    kPower,  // operands[0] to the power of operands[1].
    kExponential,
    kLogarithm10,
    kLogarithm,
    // With d = |x - target| of operands x and target; `number` is the factor that makes the value
    // `midpoint` at d = scale: max(0, 1 - number * d), exp(number * d), exp(number * d * d).
    kLinearDecay,
    kExponentialDecay,
    kGaussDecay,
  };
  Kind kind = Kind::kConstant;
  double number = 0;
  size_t index = 0;
  GeoPoint origin;
  std::optional<double> by_zero;  // What a quotient with a divisor of 0 is.
  std::vector<Expression> operands;
};

struct FormulaQuery {
  Expression root;
  std::vector<PayloadPath> variables;  // Each once.
  // One per variable: stands in for points that have no value there.
  std::vector<std::optional<PayloadVariable>> defaults;
  std::map<size_t, double> default_scores;  // By prefetch.
  std::vector<Condition> conditions;
};

}  // namespace almagest

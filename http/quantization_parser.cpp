#include "http/quantization_parser.h"

#include "http/error_response.h"

namespace almagest {
namespace {

constexpr double kOversamplingMax = 1000;

// Graphs in memory: `always_ram`, or `memory: pinned`, which wins where both are given.
Result<> ApplyPlacement(const JsonValue& value, Quantization& quantization) {
  ALMAGEST_TRY(const auto always, value.FindBool("always_ram"));
  ALMAGEST_TRY(const auto memory, value.FindString("memory"));
  const bool pinned = memory ? *memory == "pinned" : always.value_or(false);
  quantization.placement = pinned ? GraphPlacement::kPinned : GraphPlacement::kAutomatic;
  return {};
}

Result<Quantization> ParseScalar(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"type", "quantile", "always_ram", "memory"}));
  Quantization quantization;
  quantization.kind = Quantization::Kind::kScalar;
  ALMAGEST_TRY(const JsonValue type, value.Require("type"));
  ALMAGEST_TRY(const std::string_view name, type.AsString());
  if (name != "int8") return Fail(FormatError(type.path(), "expected `int8`"));
  if (const auto quantile = value.Find("quantile")) {
    ALMAGEST_TRY(quantization.quantile, quantile->AsDoubleIn(0.5, 1));
  }
  ALMAGEST_TRY_VOID(ApplyPlacement(value, quantization));
  return quantization;
}

Result<Quantization> ParseBinary(const JsonValue& value) {
  ALMAGEST_TRY_VOID(
      value.RefuseUnknownKeys({"encoding", "query_encoding", "always_ram", "memory"}));
  Quantization quantization;
  quantization.kind = Quantization::Kind::kBinary;
  ALMAGEST_TRY(const auto encoding, value.FindString("encoding"));
  if (encoding == "two_bits") {
    quantization.code_share = 2.0;
  } else if (encoding == "one_and_half_bits") {
    quantization.code_share = 1.5;
  } else if (encoding && encoding != "one_bit") {
    return Fail(FormatError(value.ChildPath("encoding"),
                            "expected `one_bit`, `two_bits` or `one_and_half_bits`"));
  }
  ALMAGEST_TRY(const auto query, value.FindString("query_encoding"));
  if (query == "binary" || query == "scalar4bits") {
    return Fail(UnsupportedError(value.ChildPath("query_encoding"),
                                 "queries are kept in 8 bits, which costs no more"));
  }
  if (query && query != "default" && query != "scalar8bits") {
    return Fail(FormatError(value.ChildPath("query_encoding"),
                            "expected `default`, `binary`, `scalar4bits` or `scalar8bits`"));
  }
  ALMAGEST_TRY_VOID(ApplyPlacement(value, quantization));
  return quantization;
}

}  // namespace

Result<> ApplyQuantization(const JsonValue& owner, Quantization& quantization) {
  auto value = owner.Find("quantization_config");
  if (!value) value = owner.Find("quantization");
  if (!value) return {};
  if (value->IsString()) {
    ALMAGEST_TRY(const std::string_view word, value->AsString());
    if (word != "Disabled") {
      return Fail(FormatError(value->path(), "expected an object or `Disabled`"));
    }
    quantization = {};
    quantization.kind = Quantization::Kind::kNone;
    return {};
  }
  ALMAGEST_TRY_VOID(value->ExpectObject());
  ALMAGEST_TRY_VOID(value->RefuseKey("product", "use `scalar` or `binary`"));
  ALMAGEST_TRY_VOID(value->RefuseKey("turbo", "use `scalar` or `binary`"));
  ALMAGEST_TRY_VOID(value->RefuseUnknownKeys({"scalar", "binary"}));
  const auto scalar = value->Find("scalar");
  const auto binary = value->Find("binary");
  if (scalar.has_value() == binary.has_value()) {
    return Fail(FormatError(value->path(), "expected one of `scalar` and `binary`"));
  }
  if (scalar) {
    ALMAGEST_TRY(quantization, ParseScalar(*scalar));
  } else {
    ALMAGEST_TRY(quantization, ParseBinary(*binary));
  }
  return {};
}

Result<QuantizedSearch> ParseQuantizedSearch(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"ignore", "rescore", "oversampling"}));
  QuantizedSearch quantized;
  ALMAGEST_TRY(const auto ignore, value.FindBool("ignore"));
  quantized.ignore = ignore.value_or(false);
  ALMAGEST_TRY(quantized.rescore, value.FindBool("rescore"));
  if (const auto oversampling = value.Find("oversampling")) {
    ALMAGEST_TRY(quantized.oversampling, oversampling->AsDoubleIn(1, kOversamplingMax));
  }
  return quantized;
}

}  // namespace almagest

#include "http/read_options.h"

#include <fmt/format.h>

#include "engine/payload/datetime.h"
#include "http/error_response.h"
#include "http/filter_parser.h"
#include "http/quantization_parser.h"

namespace almagest {
namespace {

Result<std::vector<PayloadPath>> ParsePaths(const JsonValue& value) {
  ALMAGEST_TRY(const auto texts, value.AsStrings());
  std::vector<PayloadPath> paths;
  for (const std::string& text : texts) {
    ALMAGEST_TRY(PayloadPath path, PayloadPath::Parse(text));
    paths.push_back(std::move(path));
  }
  return paths;
}

}  // namespace

Result<std::string> FindUsing(const JsonValue& value) {
  ALMAGEST_TRY(const auto name, value.FindString("using"));
  return name.value_or("");
}

Result<SearchParams> FindSearchParams(const JsonValue& body) {
  SearchParams params;
  const auto value = body.Find("params");
  if (!value) return params;
  ALMAGEST_TRY_VOID(value->ExpectObject());
  if (const auto quantization = value->Find("quantization")) {
    ALMAGEST_TRY(params.quantized, ParseQuantizedSearch(*quantization));
  }
  if (const auto acorn = value->Find("acorn")) {
    ALMAGEST_TRY(const auto enabled, acorn->FindBool("enable"));
    if (enabled.value_or(false)) {
      return Fail(UnsupportedError(acorn->path(), "filtered search chooses its own way"));
    }
  }
  if (const auto idf = value->Find("idf")) {
    if (idf->IsObject()) {
      ALMAGEST_TRY_VOID(idf->RefuseUnknownKeys({"corpus"}));
      ALMAGEST_TRY(const JsonValue corpus, idf->Require("corpus"));
      ALMAGEST_TRY(params.idf_corpus, ParseFilter(corpus));
    } else if (!idf->IsString() || *idf->AsString() != "global") {
      return Fail(FormatError(idf->path(), "expected `global` or an object with `corpus`"));
    }
  }
  if (const auto beam = value->Find("hnsw_ef")) {
    ALMAGEST_TRY(const uint64_t width, beam->AsUnsignedIn(1, kBeamWidthMax));
    params.beam_width = static_cast<uint32_t>(width);
  }
  if (const auto version = value->Find("adapter_version")) {
    ALMAGEST_TRY(const uint64_t id, version->AsUnsignedIn(0, UINT32_MAX));
    params.adapter_version = static_cast<VersionId>(id);
  }
  ALMAGEST_TRY(const auto exact, value->FindBool("exact"));
  ALMAGEST_TRY(const auto indexed_only, value->FindBool("indexed_only"));
  params.exact = exact.value_or(false);
  params.indexed_only = indexed_only.value_or(false);
  return params;
}

Result<uint64_t> FindLimit(const JsonValue& body, std::string_view key) {
  const auto limit = body.Find(key);
  if (!limit) return kQueryLimitDefault;
  return limit->AsUnsignedIn(1, UINT64_MAX);
}

Result<uint64_t> FindOffset(const JsonValue& body) {
  ALMAGEST_TRY(const auto offset, body.FindUnsigned("offset"));
  return offset.value_or(0);
}

Result<std::optional<double>> FindScoreThreshold(const JsonValue& body) {
  ALMAGEST_TRY(auto threshold, body.FindDouble("score_threshold"));
  if (threshold) threshold = static_cast<float>(*threshold);
  return threshold;
}

Result<OrderByQuery> ParseOrderBy(const JsonValue& value) {
  OrderByQuery order;
  if (value.IsString()) {
    order.key = std::string(*value.AsString());
    return order;
  }
  ALMAGEST_TRY(const JsonValue key, value.Require("key"));
  ALMAGEST_TRY(order.key, key.AsString());
  ALMAGEST_TRY(const auto direction, value.FindString("direction"));
  if (direction && *direction != "asc" && *direction != "desc") {
    return Fail(FormatError(value.ChildPath("direction"), "expected `asc` or `desc`"));
  }
  order.descending = direction == "desc";
  if (const auto start = value.Find("start_from")) {
    if (start->IsString()) {
      const auto time = ParseDatetime(*start->AsString());
      if (!time) {
        return Fail(FormatError(start->path(), "expected a number or an RFC 3339 date and time"));
      }
      order.start_from = static_cast<double>(*time);
    } else {
      ALMAGEST_TRY(order.start_from, start->AsDouble());
    }
  }
  return order;
}

Result<PayloadSelector> FindPayloadSelector(const JsonValue& body,
                                            PayloadSelector::Mode otherwise) {
  PayloadSelector selector{otherwise, {}};
  const auto value = body.Find("with_payload");
  if (!value) return selector;
  if (value->IsBool()) {
    selector.mode = *value->AsBool() ? PayloadSelector::Mode::kAll : PayloadSelector::Mode::kNone;
    return selector;
  }
  if (value->IsArray()) {
    selector.mode = PayloadSelector::Mode::kInclude;
    ALMAGEST_TRY(selector.paths, ParsePaths(*value));
    return selector;
  }
  ALMAGEST_TRY_VOID(value->RefuseUnknownKeys({"include", "exclude"}));
  const auto include = value->Find("include");
  const auto exclude = value->Find("exclude");
  if (include.has_value() == exclude.has_value()) {
    return Fail(FormatError(value->path(), "expected one of `include` and `exclude`"));
  }
  selector.mode = include ? PayloadSelector::Mode::kInclude : PayloadSelector::Mode::kExclude;
  ALMAGEST_TRY(selector.paths, ParsePaths(include ? *include : *exclude));
  return selector;
}

Result<VectorSelector> FindVectorSelector(const JsonValue& body) {
  VectorSelector selector;
  auto value = body.Find("with_vector");
  if (!value) value = body.Find("with_vectors");
  if (!value) return selector;
  if (value->IsBool()) {
    selector.kind = *value->AsBool() ? VectorSelector::Kind::kAll : VectorSelector::Kind::kNone;
    return selector;
  }
  selector.kind = VectorSelector::Kind::kNames;
  ALMAGEST_TRY(selector.names, value->AsStrings());
  return selector;
}

Result<std::optional<LookupFrom>> FindLookupFrom(const JsonValue& body) {
  const auto value = body.Find("lookup_from");
  if (!value) return std::optional<LookupFrom>();
  ALMAGEST_TRY_VOID(value->RefuseKey("shard_key", "collections have one shard"));
  LookupFrom lookup;
  ALMAGEST_TRY(const JsonValue collection, value->Require("collection"));
  ALMAGEST_TRY(lookup.collection, collection.AsString());
  ALMAGEST_TRY(lookup.vector_name, value->FindString("vector"));
  return std::optional<LookupFrom>(std::move(lookup));
}

}  // namespace almagest

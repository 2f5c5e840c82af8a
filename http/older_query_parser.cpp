// The older calls, one per kind of query, and scroll.
#include "http/error_response.h"
#include "http/example_query_parser.h"
#include "http/filter_parser.h"
#include "http/query_parser.h"
#include "http/read_options.h"

namespace almagest {
namespace {

// What the older calls share beside their query.
Result<> FindCommonFields(const JsonValue& body, QueryRequest& request) {
  QueryNode& node = request.root;
  ALMAGEST_TRY(node.filter, FindFilter(body));
  ALMAGEST_TRY(node.params, FindSearchParams(body));
  ALMAGEST_TRY(node.score_threshold, FindScoreThreshold(body));
  ALMAGEST_TRY(node.limit, FindLimit(body, body.Find("limit") ? "limit" : "top"));
  ALMAGEST_TRY(request.offset, FindOffset(body));
  ALMAGEST_TRY(request.with_payload, FindPayloadSelector(body, PayloadSelector::Mode::kNone));
  ALMAGEST_TRY(request.with_vector, FindVectorSelector(body));
  return {};
}

Result<> FindExampleFields(const JsonValue& body, QueryRequest& request) {
  ALMAGEST_TRY_VOID(body.RefuseKey("shard_key", "collections have one shard"));
  ALMAGEST_TRY(request.root.using_vector, FindUsing(body));
  ALMAGEST_TRY(request.root.lookup_from, FindLookupFrom(body));
  return FindCommonFields(body, request);
}

// The older calls compare one vector at a time; their specification has no place for several.
Result<> RefuseMatrix(const JsonValue& value) {
  if (!value.IsArray()) return {};
  ALMAGEST_TRY(const auto rows, value.Items());
  if (rows.empty() || !rows.front().IsArray()) return {};
  return Fail(FormatError(value.path(),
                          "data did not match any variant of untagged enum "
                          "NamedVectorStruct: several vectors are for points/query"));
}

Result<> RefuseMatrices(const JsonValue& owner, std::string_view key) {
  const auto list = owner.Find(key);
  if (!list || !list->IsArray()) return {};
  ALMAGEST_TRY(const auto items, list->Items());
  for (const JsonValue& item : items) ALMAGEST_TRY_VOID(RefuseMatrix(item));
  return {};
}

Result<> RefuseMatricesInPair(const JsonValue& pair) {
  for (const std::string_view key : {"positive", "negative"}) {
    if (const auto example = pair.Find(key)) ALMAGEST_TRY_VOID(RefuseMatrix(*example));
  }
  return {};
}

}  // namespace

Result<ParsedQuery> ParseSearchRequest(const JsonValue& body, TextResolver& texts) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseKey("shard_key", "collections have one shard"));
  ALMAGEST_TRY(const JsonValue given, body.Require("vector"));
  ParsedQuery parsed;
  QueryNode& node = parsed.request.root;
  JsonValue target = given;
  if (given.Find("name")) {
    ALMAGEST_TRY(const auto name, given.FindString("name"));
    node.using_vector = name.value_or("");
    ALMAGEST_TRY(target, given.Require("vector"));
  }
  NearestQuery nearest;
  ALMAGEST_TRY_VOID(RefuseMatrix(target));
  ALMAGEST_TRY(nearest.target, ParseVectorInput(target, texts));
  if (const auto* dense = std::get_if<DenseVector>(&nearest.target)) {
    parsed.logged = LoggedLeg{node.using_vector, *dense, std::nullopt};
    ALMAGEST_TRY(parsed.logged->text, target.FindString("text"));
  }
  node.query = std::move(nearest);
  ALMAGEST_TRY_VOID(FindCommonFields(body, parsed.request));
  if (parsed.logged) parsed.logged->version = node.params.adapter_version;
  return parsed;
}

Result<ParsedQuery> ParseRecommendRequest(const JsonValue& body, TextResolver& texts) {
  ParsedQuery parsed;
  ALMAGEST_TRY_VOID(RefuseMatrices(body, "positive"));
  ALMAGEST_TRY_VOID(RefuseMatrices(body, "negative"));
  ALMAGEST_TRY(parsed.request.root.query, ParseRecommend(body, texts));
  ALMAGEST_TRY_VOID(FindExampleFields(body, parsed.request));
  return parsed;
}

Result<ParsedQuery> ParseDiscoverRequest(const JsonValue& body, TextResolver& texts) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  std::vector<ContextPair> pairs;
  if (const auto context = body.Find("context")) {
    std::vector<JsonValue> items{*context};
    if (context->IsArray()) {
      ALMAGEST_TRY(items, context->Items());
    }
    for (const JsonValue& item : items) ALMAGEST_TRY_VOID(RefuseMatricesInPair(item));
    ALMAGEST_TRY(pairs, ParseContext(*context, texts));
  }
  ParsedQuery parsed;
  if (const auto target = body.Find("target")) {
    DiscoverQuery query;
    ALMAGEST_TRY_VOID(RefuseMatrix(*target));
    ALMAGEST_TRY(query.target, ParseVectorInput(*target, texts));
    query.pairs = std::move(pairs);
    parsed.request.root.query = std::move(query);
  } else {
    parsed.request.root.query = ContextQuery{std::move(pairs)};
  }
  ALMAGEST_TRY_VOID(FindExampleFields(body, parsed.request));
  return parsed;
}

Result<ScrollRequest> ParseScrollRequest(const JsonValue& body) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseKey("shard_key", "collections have one shard"));
  ScrollRequest request;
  if (const auto offset = body.Find("offset")) {
    ALMAGEST_TRY(request.offset, ParsePointId(*offset));
  }
  ALMAGEST_TRY(request.limit, FindLimit(body, "limit"));
  ALMAGEST_TRY(request.filter, FindFilter(body));
  if (const auto order_by = body.Find("order_by")) {
    ALMAGEST_TRY(request.order_by, ParseOrderBy(*order_by));
    if (request.offset) {
      return Fail(ErrorCode::kBadRequest,
                  "`offset` cannot be used with `order_by`; page with `order_by.start_from`");
    }
  }
  ALMAGEST_TRY(request.with_payload, FindPayloadSelector(body, PayloadSelector::Mode::kAll));
  ALMAGEST_TRY(request.with_vector, FindVectorSelector(body));
  return request;
}

}  // namespace almagest

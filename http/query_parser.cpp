#include "http/query_parser.h"

#include <fmt/format.h>

#include "engine/payload/datetime.h"
#include "http/error_response.h"
#include "http/filter_parser.h"
#include "http/vector_parser.h"

namespace almagest {
namespace {

constexpr uint32_t kBeamWidthMax = 65'536;
constexpr uint64_t kRrfKMax = 1'000'000;

// One parse of one query tree.
class QueryParser {
 public:
  QueryParser(TextResolver& texts, const QueryBindings* bindings)
      : texts_(texts), bindings_(bindings) {}

  Result<QueryNode> ParseNode(const JsonValue& value, size_t depth);
  Result<NearestQuery> ParseNearest(const JsonValue& value, const std::string& using_vector);
  std::optional<LoggedLeg> TakeLogged() { return std::move(logged_); }

 private:
  Result<QueryKind> ParseQuery(const JsonValue& value, const QueryNode& node);
  Result<std::optional<NearestQuery>> ParsePlaceholder(const JsonValue& value);
  void Log(const NearestQuery& query, const JsonValue& value, const std::string& using_vector);

  TextResolver& texts_;
  const QueryBindings* bindings_;
  std::optional<LoggedLeg> logged_;
};

NearestQuery ToNearest(VectorData vector) {
  return std::visit([](auto& data) { return NearestQuery{std::move(data)}; }, vector);
}

Result<std::string> FindUsing(const JsonValue& value) {
  ALMAGEST_TRY(const auto name, value.FindString("using"));
  return name.value_or("");
}

Result<SearchParams> FindSearchParams(const JsonValue& body) {
  SearchParams params;
  const auto value = body.Find("params");
  if (!value) return params;
  ALMAGEST_TRY_VOID(value->ExpectObject());
  ALMAGEST_TRY_VOID(value->RefuseKey("quantization",
                                     "vectors are searched with their full "
                                     "precision in the end; there is no setting"));
  if (const auto acorn = value->Find("acorn")) {
    ALMAGEST_TRY(const auto enabled, acorn->FindBool("enable"));
    if (enabled.value_or(false)) {
      return Fail(UnsupportedError(acorn->path(), "filtered search chooses its own way"));
    }
  }
  if (const auto idf = value->Find("idf")) {
    if (!idf->IsString() || *idf->AsString() != "global") {
      return Fail(UnsupportedError(idf->path(), "idf is taken over the whole collection (global)"));
    }
  }
  if (const auto beam = value->Find("hnsw_ef")) {
    ALMAGEST_TRY(const uint64_t width, beam->AsUnsignedIn(1, kBeamWidthMax));
    params.beam_width = static_cast<uint32_t>(width);
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

Result<FusionQuery> ParseFusionName(const JsonValue& value) {
  ALMAGEST_TRY(const std::string_view name, value.AsString());
  FusionQuery fusion;
  if (name == "dbsf") {
    fusion.kind = FusionQuery::Kind::kDbsf;
  } else if (name != "rrf") {
    return Fail(FormatError(value.path(), "expected `rrf` or `dbsf`"));
  }
  return fusion;
}

Result<FusionQuery> ParseRrf(const JsonValue& value, size_t prefetch_count) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"k", "weights"}));
  FusionQuery fusion;
  if (const auto k = value.Find("k")) {
    ALMAGEST_TRY(const uint64_t constant, k->AsUnsignedIn(1, kRrfKMax));
    fusion.rrf_k = static_cast<double>(constant);
  }
  const auto weights = value.Find("weights");
  if (!weights) return fusion;
  ALMAGEST_TRY(const auto items, weights->Items());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(const double weight, item.AsDoubleIn(0, 1e6));
    fusion.weights.push_back(weight);
  }
  if (fusion.weights.size() != prefetch_count) {
    return Fail(
        ValueError(weights->path(), fmt::format("of {} weights", fusion.weights.size()),
                   fmt::format("one weight for each of the {} prefetches", prefetch_count)));
  }
  return fusion;
}

// {"$text": model, "options"?}, {"$vector": name} or {"$point": true}; nullopt for anything else.
Result<std::optional<NearestQuery>> QueryParser::ParsePlaceholder(const JsonValue& value) {
  if (bindings_ == nullptr) return std::optional<NearestQuery>();
  if (value.Find("$text")) {
    ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"$text", "options"}));
    if (!bindings_->text) {
      return Fail(FormatError(bindings_->path, "missing field `text`, which a mode asks for"));
    }
    ALMAGEST_TRY(VectorData vector,
                 texts_.Resolve(*bindings_->text, value, "$text", /*is_query=*/true));
    return std::optional<NearestQuery>(ToNearest(std::move(vector)));
  }
  if (const auto name = value.Find("$vector")) {
    ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"$vector"}));
    ALMAGEST_TRY(const std::string_view text, name->AsString());
    const auto found = bindings_->vectors.find(std::string(text));
    if (found == bindings_->vectors.end()) {
      return Fail(FormatError(bindings_->path, fmt::format("missing field `vectors.{}`, which a "
                                                           "mode asks for",
                                                           text)));
    }
    return std::optional<NearestQuery>(ToNearest(found->second));
  }
  if (value.Find("$point")) {
    ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"$point"}));
    if (!bindings_->point) {
      return Fail(FormatError(bindings_->path, "missing field `point`, which a mode asks for"));
    }
    return std::optional<NearestQuery>(NearestQuery{*bindings_->point});
  }
  return std::optional<NearestQuery>();
}

void QueryParser::Log(const NearestQuery& query, const JsonValue& value,
                      const std::string& using_vector) {
  const auto* dense = std::get_if<DenseVector>(&query.target);
  if (logged_ || dense == nullptr) return;
  LoggedLeg leg{using_vector, *dense, std::nullopt};
  if (const auto text = value.Find("text"); text && text->IsString()) {
    leg.text = std::string(*text->AsString());
  }
  logged_ = std::move(leg);
}

Result<NearestQuery> QueryParser::ParseNearest(const JsonValue& value,
                                               const std::string& using_vector) {
  ALMAGEST_TRY(auto placeholder, ParsePlaceholder(value));
  if (placeholder) return *std::move(placeholder);
  if (value.IsNumber() || value.IsString()) {
    ALMAGEST_TRY(const PointId id, ParsePointId(value));
    return NearestQuery{id};
  }
  ALMAGEST_TRY(VectorData vector, ParseVector(value, texts_, /*is_query=*/true));
  NearestQuery query = ToNearest(std::move(vector));
  Log(query, value, using_vector);
  return query;
}

Result<QueryKind> QueryParser::ParseQuery(const JsonValue& value, const QueryNode& node) {
  for (const std::string_view key :
       {"recommend", "discover", "context", "formula", "relevance_feedback"}) {
    ALMAGEST_TRY_VOID(
        value.RefuseKey(key, "queries are nearest, fusion, rrf, order_by and sample"));
  }
  if (const auto nearest = value.Find("nearest")) {
    ALMAGEST_TRY_VOID(value.RefuseKey("mmr", "results are ranked by their scores alone"));
    ALMAGEST_TRY(NearestQuery query, ParseNearest(*nearest, node.using_vector));
    return QueryKind(std::move(query));
  }
  if (const auto fusion = value.Find("fusion")) {
    ALMAGEST_TRY(FusionQuery query, ParseFusionName(*fusion));
    return QueryKind(std::move(query));
  }
  if (const auto rrf = value.Find("rrf")) {
    ALMAGEST_TRY(FusionQuery query, ParseRrf(*rrf, node.prefetch.size()));
    return QueryKind(std::move(query));
  }
  if (const auto order_by = value.Find("order_by")) {
    ALMAGEST_TRY(OrderByQuery query, ParseOrderBy(*order_by));
    return QueryKind(std::move(query));
  }
  if (const auto sample = value.Find("sample")) {
    ALMAGEST_TRY(const std::string_view kind, sample->AsString());
    if (kind != "random") return Fail(FormatError(sample->path(), "expected `random`"));
    return QueryKind(SampleQuery{});
  }
  ALMAGEST_TRY(NearestQuery query, ParseNearest(value, node.using_vector));
  return QueryKind(std::move(query));
}

Result<QueryNode> QueryParser::ParseNode(const JsonValue& value, size_t depth) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  if (depth > kQueryDepthMax) {
    return Fail(ValueError(value.path(), fmt::format("at depth {}", depth),
                           fmt::format("nested at most {} deep", kQueryDepthMax)));
  }
  ALMAGEST_TRY_VOID(value.RefuseKey("lookup_from", "a query takes vectors of its own collection"));
  ALMAGEST_TRY_VOID(value.RefuseKey("shard_key", "collections have one shard"));
  QueryNode node;
  if (const auto prefetch = value.Find("prefetch")) {
    std::vector<JsonValue> items;
    if (prefetch->IsArray()) {
      ALMAGEST_TRY(items, prefetch->Items());
    } else {
      items.push_back(*prefetch);
    }
    for (const JsonValue& item : items) {
      ALMAGEST_TRY(QueryNode child, ParseNode(item, depth + 1));
      node.prefetch.push_back(std::move(child));
    }
  }
  ALMAGEST_TRY(node.using_vector, FindUsing(value));
  if (const auto query = value.Find("query")) {
    ALMAGEST_TRY(node.query, ParseQuery(*query, node));
  }
  ALMAGEST_TRY(node.filter, FindFilter(value));
  ALMAGEST_TRY(node.params, FindSearchParams(value));
  ALMAGEST_TRY(node.score_threshold, value.FindDouble("score_threshold"));
  ALMAGEST_TRY(node.limit, FindLimit(value, "limit"));
  return node;
}

Result<std::vector<PayloadPath>> ParsePaths(const JsonValue& value) {
  ALMAGEST_TRY(const auto texts, value.AsStrings());
  std::vector<PayloadPath> paths;
  for (const std::string& text : texts) {
    ALMAGEST_TRY(PayloadPath path, PayloadPath::Parse(text));
    paths.push_back(std::move(path));
  }
  return paths;
}

Result<uint64_t> FindOffset(const JsonValue& body) {
  ALMAGEST_TRY(const auto offset, body.FindUnsigned("offset"));
  return offset.value_or(0);
}

}  // namespace

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

Result<ParsedQuery> ParseQueryRequest(const JsonValue& body, TextResolver& texts) {
  QueryParser parser(texts, nullptr);
  ParsedQuery parsed;
  ALMAGEST_TRY(parsed.request.root, parser.ParseNode(body, 0));
  parsed.logged = parser.TakeLogged();
  ALMAGEST_TRY(parsed.request.offset, FindOffset(body));
  ALMAGEST_TRY(parsed.request.with_payload,
               FindPayloadSelector(body, PayloadSelector::Mode::kNone));
  ALMAGEST_TRY(parsed.request.with_vector, FindVectorSelector(body));
  return parsed;
}

Result<QueryNode> ParseQueryTemplate(const JsonValue& value, TextResolver& texts,
                                     const QueryBindings& bindings) {
  QueryParser parser(texts, &bindings);
  return parser.ParseNode(value, 0);
}

Result<ParsedQuery> ParseSearchRequest(const JsonValue& body, TextResolver& texts) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseKey("shard_key", "collections have one shard"));
  ALMAGEST_TRY(const JsonValue given, body.Require("vector"));
  QueryParser parser(texts, nullptr);
  ParsedQuery parsed;
  QueryNode& node = parsed.request.root;
  JsonValue target = given;
  if (given.Find("name")) {
    ALMAGEST_TRY(const auto name, given.FindString("name"));
    node.using_vector = name.value_or("");
    ALMAGEST_TRY(target, given.Require("vector"));
  }
  ALMAGEST_TRY(node.query, parser.ParseNearest(target, node.using_vector));
  parsed.logged = parser.TakeLogged();
  ALMAGEST_TRY(node.filter, FindFilter(body));
  ALMAGEST_TRY(node.params, FindSearchParams(body));
  ALMAGEST_TRY(node.score_threshold, body.FindDouble("score_threshold"));
  ALMAGEST_TRY(node.limit, FindLimit(body, body.Find("limit") ? "limit" : "top"));
  ALMAGEST_TRY(parsed.request.offset, FindOffset(body));
  ALMAGEST_TRY(parsed.request.with_payload,
               FindPayloadSelector(body, PayloadSelector::Mode::kNone));
  ALMAGEST_TRY(parsed.request.with_vector, FindVectorSelector(body));
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

#include "http/query_parser.h"

#include <fmt/format.h>

#include "http/error_response.h"
#include "http/example_query_parser.h"
#include "http/filter_parser.h"
#include "http/formula_parser.h"
#include "http/read_options.h"
#include "http/vector_parser.h"

namespace almagest {
namespace {

constexpr uint64_t kRrfKMax = 1'000'000;
constexpr size_t kPrefetchesMax = 64;        // Of one node.
constexpr size_t kPrefetchesTotalMax = 512;  // Of a whole query.

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
  size_t prefetches_ = 0;
};

NearestQuery ToNearest(VectorData vector) {
  return std::visit([](auto& data) { return NearestQuery{std::move(data)}; }, vector);
}

Result<FusionQuery> ParseFusionName(const JsonValue& value) {
  ALMAGEST_TRY(const std::string_view name, value.AsString());
  FusionQuery fusion;
  if (name == "dbsf") {
    fusion.kind = FusionQuery::Kind::kDbsf;
  } else if (name == "learned") {
    fusion.kind = FusionQuery::Kind::kLearned;
  } else if (name != "rrf") {
    return Fail(FormatError(value.path(), "expected `rrf`, `dbsf` or `learned`"));
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
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("Number of weights in RRF should match number of pre-fetches: got {}, "
                            "expected {} at {}",
                            fusion.weights.size(), prefetch_count, weights->path()));
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
  NearestQuery query;
  ALMAGEST_TRY(query.target, ParseVectorInput(value, texts_));
  Log(query, value, using_vector);
  return query;
}

Result<QueryKind> QueryParser::ParseQuery(const JsonValue& value, const QueryNode& node) {
  if (const auto nearest = value.Find("nearest")) {
    ALMAGEST_TRY(NearestQuery query, ParseNearest(*nearest, node.using_vector));
    ALMAGEST_TRY(query.mmr, FindDiversification(value));
    return QueryKind(std::move(query));
  }
  ALMAGEST_TRY(auto by_example, FindExampleQuery(value, texts_));
  if (by_example) return *std::move(by_example);
  if (const auto fusion = value.Find("fusion")) {
    ALMAGEST_TRY(FusionQuery query, ParseFusionName(*fusion));
    return QueryKind(std::move(query));
  }
  if (const auto rrf = value.Find("rrf")) {
    ALMAGEST_TRY(FusionQuery query, ParseRrf(*rrf, node.prefetch.size()));
    return QueryKind(std::move(query));
  }
  if (value.Find("formula")) {
    ALMAGEST_TRY(FormulaQuery query, ParseFormula(value));
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
  ALMAGEST_TRY_VOID(value.RefuseKey("shard_key", "collections have one shard"));
  QueryNode node;
  if (const auto prefetch = value.Find("prefetch")) {
    std::vector<JsonValue> items;
    if (prefetch->IsArray()) {
      ALMAGEST_TRY(items, prefetch->Items());
    } else {
      items.push_back(*prefetch);
    }
    if (items.size() > kPrefetchesMax) {
      return Fail(ValueError(prefetch->path(), fmt::format("of {} prefetches", items.size()),
                             fmt::format("a list of at most {}", kPrefetchesMax)));
    }
    prefetches_ += items.size();
    if (prefetches_ > kPrefetchesTotalMax) {
      return Fail(
          ValueError(prefetch->path(), fmt::format("as prefetch {}", prefetches_),
                     fmt::format("one of at most {} prefetches of a query", kPrefetchesTotalMax)));
    }
    for (const JsonValue& item : items) {
      ALMAGEST_TRY(QueryNode child, ParseNode(item, depth + 1));
      node.prefetch.push_back(std::move(child));
    }
  }
  ALMAGEST_TRY(node.using_vector, FindUsing(value));
  const bool logged_before = logged_.has_value();
  if (const auto query = value.Find("query")) {
    ALMAGEST_TRY(node.query, ParseQuery(*query, node));
  }
  ALMAGEST_TRY(node.filter, FindFilter(value));
  ALMAGEST_TRY(node.params, FindSearchParams(value));
  if (logged_ && !logged_before) logged_->version = node.params.adapter_version;
  ALMAGEST_TRY(node.score_threshold, FindScoreThreshold(value));
  ALMAGEST_TRY(node.limit, FindLimit(value, "limit"));
  ALMAGEST_TRY(node.lookup_from, FindLookupFrom(value));
  return node;
}

}  // namespace

Result<ParsedQuery> ParseQueryRequest(const JsonValue& body, TextResolver& texts) {
  QueryParser parser(texts, nullptr);
  ParsedQuery parsed;
  ALMAGEST_TRY(parsed.request.root, parser.ParseNode(body, 0));
  parsed.logged = parser.TakeLogged();
  ALMAGEST_TRY(parsed.request.offset, FindOffset(body));
  ALMAGEST_TRY(const auto explain, body.FindBool("explain"));
  parsed.explain = explain.value_or(false);
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

}  // namespace almagest

// Reads: points by id, scroll, count, queries.
#include <fmt/format.h>

#include <chrono>
#include <unordered_set>

#include "engine/search/named_version.h"
#include "engine/search/query_executor.h"
#include "http/content_type.h"
#include "http/error_response.h"
#include "http/explain_writer.h"
#include "http/filter_parser.h"
#include "http/handlers.h"
#include "http/json_reader.h"
#include "http/npy_queries.h"
#include "http/query_parser.h"
#include "http/read_options.h"
#include "http/result_writer.h"
#include "http/search_pace.h"

namespace almagest {
namespace {

constexpr std::string_view kQueryIdHeader = "Almagest-Query-Id";
constexpr std::string_view kExploredHeader = "Almagest-Explored";  // Ids of those that did.

using QueryBodyParser = Result<ParsedQuery> (*)(const JsonValue&, TextResolver&);

struct Answer {
  std::vector<Hit> hits;
  std::string query_id;                                    // Empty where there is no dense leg.
  std::optional<QueryTrace> trace;                         // If the query asked to be explained.
  std::shared_ptr<const LoggedExploration> exploration;    // If its field explores.
  std::shared_ptr<const LoggedInterleaving> interleaving;  // If two versions answered.
  // Whether the hits are others than the active version's best.
  bool explored() const {
    return interleaving != nullptr || (exploration != nullptr && exploration->explored);
  }
};

// Answers a query with a dense leg, and remembers what was answered, so that feedback can refer to
// it; the id goes into the header (comma-separated for batches, empty places for queries without).
Result<> RunLogged(Service& service, const Collection& collection, ParsedQuery& parsed,
                   Answer& answer) {
  LoggedQuery logged;
  logged.vector_name = std::move(parsed.logged->vector_name);
  logged.base_vector = std::move(parsed.logged->vector);
  logged.text = std::move(parsed.logged->text);
  Learning& learning = service.database.learning();
  if (learning.has_experiments()) {
    ALMAGEST_TRY(answer.hits, learning.Search(collection, parsed.request, &logged));
    answer.exploration = logged.exploration;
    answer.interleaving = logged.interleaving;
  } else {
    ALMAGEST_TRY(answer.hits, ExecuteQuery(collection, parsed.request));
  }
  logged.version_named = NamesVersion(parsed.request.root);
  if (parsed.logged->version) {
    logged.version = *parsed.logged->version;
  } else if (const auto versions = collection.Versions(logged.vector_name)) {
    logged.version = (*versions)->active();
  }
  logged.results.reserve(answer.hits.size());
  for (const Hit& hit : answer.hits) logged.results.push_back(hit.id);
  answer.query_id = learning.RememberQuery(collection.id(), std::move(logged));
  return {};
}

Result<Answer> RunQuery(Service& service, const Collection& collection, ParsedQuery& parsed,
                        const Deadline& deadline) {
  parsed.request.deadline = deadline;
  parsed.request.find_collection = [&service](const std::string& name) {
    return ReadableCollection(service, name);
  };
  Answer answer;
  if (parsed.explain) parsed.request.trace = &answer.trace.emplace();
  if (parsed.logged) {
    ALMAGEST_TRY_VOID(RunLogged(service, collection, parsed, answer));
  } else {
    ALMAGEST_TRY(answer.hits, ExecuteQuery(collection, parsed.request));
  }
  return answer;
}

// The newer calls wrap the hits of a query as {"points": [...]}.
void WriteAnswer(JsonWriter& json, const Answer& answer, bool wrapped) {
  if (wrapped) json.BeginObject().Key("points");
  WriteScoredPoints(json, answer.hits);
  if (wrapped && answer.trace) {
    json.Key("explanation");
    WriteExplanation(json, *answer.trace);
    if (answer.exploration) {
      json.Key("exploration");
      WriteExploration(json, *answer.exploration, answer.hits);
    }
    if (answer.interleaving) {
      json.Key("interleaving");
      WriteInterleaving(json, *answer.interleaving);
    }
  }
  if (wrapped) json.EndObject();
}

// Whether it is a search like most: the few points nearest to one dense vector. What it takes
// depends on the collection alone (SearchPace).
bool IsPlain(const ParsedQuery& parsed) {
  constexpr uint64_t kHitsMax = 100;
  constexpr uint32_t kBeamMax = 512;
  const QueryNode& root = parsed.request.root;
  const auto* nearest = root.query ? std::get_if<NearestQuery>(&*root.query) : nullptr;
  return nearest != nullptr && std::holds_alternative<DenseVector>(nearest->target) &&
         !nearest->mmr && root.prefetch.empty() && !root.filter && !root.lookup_from &&
         !root.params.exact && !root.params.adapter_version && !root.params.idf_corpus &&
         root.params.beam_width.value_or(0) <= kBeamMax && root.limit <= kHitsMax &&
         parsed.request.offset <= kHitsMax && !parsed.explain;
}

Result<Reply> AnswerOne(Service& service, const Collection& collection, ParsedQuery& parsed,
                        const Deadline& deadline, bool wrapped) {
  using Clock = std::chrono::steady_clock;
  const bool is_plain = IsPlain(parsed);
  const Clock::time_point start = Clock::now();
  ALMAGEST_TRY(const Answer answer, RunQuery(service, collection, parsed, deadline));
  if (service.pace != nullptr && is_plain) {
    service.pace->Note(collection.id(), Clock::now() - start);
  } else if (service.pace != nullptr) {
    service.pace->NoteOther(collection.id());
  }
  JsonWriter json = BeginResult();
  WriteAnswer(json, answer, wrapped);
  Reply reply = ResultReply(std::move(json));
  if (!answer.query_id.empty()) {
    reply.headers.emplace_back(kQueryIdHeader, answer.query_id);
  }
  if (answer.explored()) reply.headers.emplace_back(kExploredHeader, answer.query_id);
  return reply;
}

Result<Reply> HandleOne(Service& service, const HttpRequest& request, QueryBodyParser parse,
                        bool wrapped) {
  ALMAGEST_TRY(const Deadline deadline, ReadDeadline(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(ParsedQuery parsed,
               ParseWithTexts(service.database.text_models(), service.encoder_threads,
                              [&](TextResolver& texts) { return parse(body, texts); }));
  return AnswerOne(service, *collection, parsed, deadline, wrapped);
}

// As HandleOne, for plain searches of collections in which they are short. Strict mode is the
// worker's, since its limits count requests.
std::optional<Reply> HandleOneAtOnce(Service& service, const HttpRequest& request,
                                     QueryBodyParser parse, bool wrapped) {
  const auto collection = service.database.FindCollectionAtOnce(request.PathParam("collection"));
  if (collection == nullptr || service.pace == nullptr ||
      !service.pace->IsShort(collection->id()) || collection->has_strict_mode() ||
      service.database.learning().has_experiments()) {
    return std::nullopt;
  }
  const auto deadline = ReadDeadline(request);
  const auto body = ParseJsonBody(request.body);
  if (!deadline || !body) return std::nullopt;
  TextResolver texts(service.database.text_models(), service.encoder_threads);
  auto parsed = parse(*body, texts);
  if (!parsed || texts.has_pending() || !IsPlain(*parsed)) return std::nullopt;
  auto reply = AnswerOne(service, *collection, *parsed, *deadline, wrapped);
  return reply ? std::optional(*std::move(reply)) : std::nullopt;
}

Result<std::vector<ParsedQuery>> ParseSearches(const JsonValue& body, TextResolver& texts,
                                               QueryBodyParser parse) {
  ALMAGEST_TRY(const JsonValue searches, body.Require("searches"));
  ALMAGEST_TRY(const auto items, searches.Items());
  if (items.size() > kSearchesMax) {
    return Fail(ValueError(searches.path(), fmt::format("of {} searches", items.size()),
                           fmt::format("a list of at most {}", kSearchesMax)));
  }
  std::vector<ParsedQuery> parsed;
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(ParsedQuery query, parse(item, texts));
    parsed.push_back(std::move(query));
  }
  return parsed;
}

// Answers all queries of a batch, in order.
Result<Reply> AnswerAll(Service& service, const Collection& collection,
                        std::span<ParsedQuery> queries, const Deadline& deadline, bool wrapped) {
  JsonWriter json = BeginResult();
  json.BeginArray();
  std::string ids, explored;
  for (size_t i = 0; i < queries.size(); ++i) {
    ALMAGEST_TRY(const Answer answer, RunQuery(service, collection, queries[i], deadline));
    WriteAnswer(json, answer, wrapped);
    if (i > 0) ids += ",";
    ids += answer.query_id;
    if (answer.explored()) explored += (explored.empty() ? "" : ",") + answer.query_id;
  }
  json.EndArray();
  Reply reply = ResultReply(std::move(json));
  if (ids.find_first_not_of(',') != std::string::npos) {
    reply.headers.emplace_back(kQueryIdHeader, std::move(ids));
  }
  if (!explored.empty()) reply.headers.emplace_back(kExploredHeader, std::move(explored));
  return reply;
}

Result<Reply> HandleMany(Service& service, const HttpRequest& request, QueryBodyParser parse,
                         bool wrapped) {
  ALMAGEST_TRY(const Deadline deadline, ReadDeadline(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(auto queries, ParseWithTexts(service.database.text_models(), service.encoder_threads,
                                            [&](TextResolver& texts) {
                                              return ParseSearches(body, texts, parse);
                                            }));
  return AnswerAll(service, *collection, queries, deadline, wrapped);
}

Result<Reply> HandleArray(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const Deadline deadline, ReadDeadline(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(auto queries, ParseNpyQueries(request));
  return AnswerAll(service, *collection, queries, deadline, /*wrapped=*/true);
}

}  // namespace

Result<Reply> HandleGetPoint(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY_VOID(ReadDeadline(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const PointId id, ParsePointIdText(request.PathParam("id")));
  const PointId ids[] = {id};
  ALMAGEST_TRY(const auto hits, Retrieve(*collection, ids, {PayloadSelector::Mode::kAll, {}},
                                         {VectorSelector::Kind::kAll, {}}));
  if (hits.empty()) {
    // Qdrant's words, which clients compare.
    return Fail(ErrorCode::kNotFound,
                fmt::format("Point with id {} does not exists!", PointIdToString(id)));
  }
  JsonWriter json = BeginResult();
  WriteRecord(json, hits.front());
  return ResultReply(std::move(json));
}

Result<Reply> HandleGetPoints(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY_VOID(ReadDeadline(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(const JsonValue ids_value, body.Require("ids"));
  ALMAGEST_TRY_VOID(body.RefuseKey("shard_key", "collections have one shard"));
  ALMAGEST_TRY(auto ids, ParsePointIds(ids_value));
  // A point that is named twice is answered once, at its first place.
  std::unordered_set<PointId, PointIdHash> seen;
  std::erase_if(ids, [&](const PointId& id) { return !seen.insert(id).second; });
  ALMAGEST_TRY(const auto with_payload, FindPayloadSelector(body, PayloadSelector::Mode::kNone));
  ALMAGEST_TRY(const auto with_vector, FindVectorSelector(body));
  ALMAGEST_TRY(const auto hits, Retrieve(*collection, ids, with_payload, with_vector));
  JsonWriter json = BeginResult();
  WriteRecords(json, hits);
  return ResultReply(std::move(json));
}

Result<Reply> HandleScroll(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const Deadline deadline, ReadDeadline(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(ScrollRequest scroll, ParseScrollRequest(body));
  scroll.deadline = deadline;
  ALMAGEST_TRY(const ScrollPage page, Scroll(*collection, scroll));
  JsonWriter json = BeginResult();
  json.BeginObject().Key("points");
  WriteRecords(json, page.points);
  json.Key("next_page_offset");
  if (page.next) {
    WritePointId(json, *page.next);
  } else {
    json.Null();
  }
  json.EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleCount(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const Deadline deadline, ReadDeadline(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseKey("shard_key", "collections have one shard"));
  ALMAGEST_TRY_VOID(body.FindBool("exact"));  // An exact count is also a good estimate.
  ALMAGEST_TRY(const auto filter, FindFilter(body));
  ALMAGEST_TRY(const uint64_t count, Count(*collection, filter, deadline));
  JsonWriter json = BeginResult();
  json.BeginObject().Key("count").Unsigned(count).EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleQuery(Service& service, const HttpRequest& request) {
  return HandleOne(service, request, ParseQueryRequest, /*wrapped=*/true);
}

std::optional<Reply> HandleQueryAtOnce(Service& service, const HttpRequest& request) {
  return HandleOneAtOnce(service, request, ParseQueryRequest, /*wrapped=*/true);
}

Result<Reply> HandleQueryBatch(Service& service, const HttpRequest& request) {
  if (HasBytes(request)) return HandleArray(service, request);
  return HandleMany(service, request, ParseQueryRequest, /*wrapped=*/true);
}

Result<Reply> HandleSearch(Service& service, const HttpRequest& request) {
  return HandleOne(service, request, ParseSearchRequest, /*wrapped=*/false);
}

std::optional<Reply> HandleSearchAtOnce(Service& service, const HttpRequest& request) {
  return HandleOneAtOnce(service, request, ParseSearchRequest, /*wrapped=*/false);
}

Result<Reply> HandleSearchBatch(Service& service, const HttpRequest& request) {
  return HandleMany(service, request, ParseSearchRequest, /*wrapped=*/false);
}

Result<Reply> HandleRecommend(Service& service, const HttpRequest& request) {
  return HandleOne(service, request, ParseRecommendRequest, /*wrapped=*/false);
}

Result<Reply> HandleRecommendBatch(Service& service, const HttpRequest& request) {
  return HandleMany(service, request, ParseRecommendRequest, /*wrapped=*/false);
}

Result<Reply> HandleDiscover(Service& service, const HttpRequest& request) {
  return HandleOne(service, request, ParseDiscoverRequest, /*wrapped=*/false);
}

Result<Reply> HandleDiscoverBatch(Service& service, const HttpRequest& request) {
  return HandleMany(service, request, ParseDiscoverRequest, /*wrapped=*/false);
}

}  // namespace almagest

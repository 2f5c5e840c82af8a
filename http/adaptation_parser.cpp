#include "http/adaptation_parser.h"

#include <memory>

#include "engine/learning/trusted_judgements.h"
#include "http/error_response.h"
#include "http/feedback_parser.h"
#include "http/filter_parser.h"
#include "http/vector_parser.h"

namespace almagest {
namespace {

// A query in the form of POST .../evaluate. Of what it gives, the search of `vector_name` takes its
// vector of that name, else its point, else its text through `trusted`'s model.
Result<TrustedQuery> ParseTrustedQuery(const JsonValue& value, const JsonValue& trusted,
                                       const std::string& vector_name, TextResolver& texts) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"name", "text", "vectors", "point", "judgements"}));
  TrustedQuery query;
  ALMAGEST_TRY(const auto name, value.FindString("name"));
  query.name = name.value_or("");
  ALMAGEST_TRY(const auto text, value.FindString("text"));
  const auto vectors = value.Find("vectors");
  if (vectors) {
    ALMAGEST_TRY_VOID(vectors->ExpectObject());
  }
  const auto vector = vectors ? vectors->Find(vector_name) : std::nullopt;
  const auto point = value.Find("point");
  VectorData data;
  if (vector) {
    ALMAGEST_TRY(data, ParseVector(*vector, texts, /*is_query=*/true));
  } else if (point) {
    ALMAGEST_TRY(query.query, ParsePointId(*point));
  } else if (text) {
    if (text->size() > kTextBytesMax) {
      return Fail(ValueError(value.ChildPath("text"),
                             "of " + std::to_string(text->size()) + " bytes",
                             "at most " + std::to_string(kTextBytesMax) + " bytes"));
    }
    ALMAGEST_TRY(data, texts.Resolve(*text, trusted, "model", /*is_query=*/true));
  } else {
    return Fail(FormatError(value.path(),
                            "expected `vectors` with '" + vector_name + "', `point`, or `text`"));
  }
  if (vector || !point) {
    auto* dense = std::get_if<DenseVector>(&data);
    if (dense == nullptr) {
      return Fail(FormatError(value.path(), "expected a dense query vector"));
    }
    query.query = std::move(*dense);
  }
  ALMAGEST_TRY(query.judgements, ParseJudgedPoints(value));
  return query;
}

Result<std::shared_ptr<const TrustedJudgements>> ParseTrusted(const JsonValue& value,
                                                              const std::string& vector_name,
                                                              TextResolver& texts) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"model", "queries"}));
  ALMAGEST_TRY(const JsonValue queries, value.Require("queries"));
  ALMAGEST_TRY(const auto items, queries.Items());
  if (items.empty() || items.size() > kTrustedQueriesMax) {
    return Fail(ValueError(queries.path(), "of " + std::to_string(items.size()) + " entries",
                           "from 1 to " + std::to_string(kTrustedQueriesMax) + " entries"));
  }
  auto trusted = std::make_shared<TrustedJudgements>();
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(TrustedQuery query, ParseTrustedQuery(item, value, vector_name, texts));
    trusted->queries.push_back(std::move(query));
  }
  return std::shared_ptr<const TrustedJudgements>(std::move(trusted));
}

}  // namespace

Result<AdaptationRequest> ParseAdaptation(const JsonValue& body, TextResolver& texts) {
  ALMAGEST_TRY_VOID(body.RefuseUnknownKeys(
      {"using", "objective", "options", "seed", "activate", "feedback", "trusted"}));
  AdaptationRequest adaptation;
  ALMAGEST_TRY(const auto using_vector, body.FindString("using"));
  ALMAGEST_TRY(const auto objective, body.FindString("objective"));
  ALMAGEST_TRY(const auto seed, body.FindUnsigned("seed"));
  ALMAGEST_TRY(const auto activate, body.FindBool("activate"));
  adaptation.vector_name = using_vector.value_or("");
  adaptation.objective = objective.value_or(adaptation.objective);
  adaptation.seed = seed.value_or(adaptation.seed);
  if (const auto feedback = body.Find("feedback")) {
    ALMAGEST_TRY(adaptation.feedback, ParseFeedbackPart(*feedback));
    adaptation.activate = false;  // What a tenant's feedback teaches is not for everybody.
  }
  adaptation.activate = activate.value_or(adaptation.activate);
  if (const auto options = body.Find("options")) {
    ALMAGEST_TRY_VOID(options->ExpectObject());
    adaptation.options_json = options->ToJson();
  }
  if (const auto trusted = body.Find("trusted")) {
    ALMAGEST_TRY(adaptation.trusted, ParseTrusted(*trusted, adaptation.vector_name, texts));
  }
  return adaptation;
}

}  // namespace almagest

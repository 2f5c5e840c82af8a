// Turns texts in place of vectors into vectors, all texts of a request in one batch.
//
// A request is parsed twice when it has texts: the first time the resolver only notes them (and
// gives empty vectors), then it embeds them, then the same parse runs again and finds the vectors.
// Requests without texts are parsed once. ParseWithTexts does all that.
//
// Not thread-safe: one object per request.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "engine/text/inference.h"
#include "engine/types.h"
#include "http/json_reader.h"

namespace almagest {

// Qdrant's limit on one text would be the body; a word count that makes no sense is refused early.
inline constexpr size_t kTextBytesMax = 1u << 20;

class TextResolver {
 public:
  TextResolver(TextModels& models, int threads) : models_(models), threads_(threads) {}

  // `value` is {"text", "model", "options"?}. 400 for an unknown model (the text names the known
  // ones) or option. `is_query`: BM25 weighs documents and queries differently.
  Result<VectorData> Resolve(const JsonValue& value, bool is_query);
  // The same for a text that stands elsewhere (evaluation templates); `value` gives the model.
  Result<VectorData> Resolve(std::string text, const JsonValue& value, std::string_view model_key,
                             bool is_query);

  bool has_pending() const { return pending_count_ > 0; }
  // Embeds every noted text. kUnavailable when a model's files are missing.
  Result<> EmbedPending();

 private:
  struct Batch {
    TextModelKind kind = TextModelKind::kDense;
    bool is_query = false;
    Bm25Options options;
    std::map<std::string, std::pair<size_t, bool>> texts;  // To (index in `vectors`, is known).
    std::vector<VectorData> vectors;
  };
  Result<> EmbedBatch(const std::string& model, Batch& batch);

  TextModels& models_;
  int threads_;
  size_t pending_count_ = 0;
  // By model, side, and the options as JSON.
  std::map<std::tuple<std::string, bool, std::string>, Batch> batches_;
};

// `parse` is a function of TextResolver& that returns a Result and has no other effect.
template <class Parse>
auto ParseWithTexts(TextModels& models, int threads, Parse parse)
    -> decltype(parse(std::declval<TextResolver&>())) {
  TextResolver resolver(models, threads);
  auto first = parse(resolver);
  if (!first || !resolver.has_pending()) return first;
  ALMAGEST_TRY_VOID(resolver.EmbedPending());
  return parse(resolver);
}

}  // namespace almagest

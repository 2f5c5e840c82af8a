#include "http/text_resolver.h"

#include <fmt/format.h>

#include "http/error_response.h"

namespace almagest {
namespace {

Result<StopWords> ParseStopWords(const JsonValue& value) {
  StopWords words;
  if (value.IsString()) {
    ALMAGEST_TRY(const std::string_view language, value.AsString());
    words.languages.emplace_back(language);
    return words;
  }
  if (value.IsArray()) {
    ALMAGEST_TRY(words.custom, value.AsStrings());
    return words;
  }
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"languages", "custom"}));
  if (const auto languages = value.Find("languages")) {
    ALMAGEST_TRY(words.languages, languages->AsStrings());
  }
  if (const auto custom = value.Find("custom")) {
    ALMAGEST_TRY(words.custom, custom->AsStrings());
  }
  return words;
}

// {"type": "snowball", "language": "english"}, {"type": "none"} or null.
Result<std::string> ParseStemmer(const JsonValue& value) {
  if (value.IsString()) {
    ALMAGEST_TRY(const std::string_view text, value.AsString());
    return std::string(text);
  }
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"type", "language"}));
  ALMAGEST_TRY(const JsonValue type, value.Require("type"));
  ALMAGEST_TRY(const std::string_view name, type.AsString());
  if (name == "none") return std::string(name);
  if (name != "snowball") return Fail(ValueError(type.path(), name, "snowball or none"));
  ALMAGEST_TRY(const JsonValue language, value.Require("language"));
  ALMAGEST_TRY(const std::string_view text, language.AsString());
  return std::string(text);
}

Result<Bm25Options> ParseBm25Options(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"k", "b", "avg_len", "tokenizer", "language",
                                             "lowercase", "ascii_folding", "stopwords", "stemmer",
                                             "min_token_len", "max_token_len"}));
  Bm25Options options;
  ALMAGEST_TRY(const auto k, value.FindDouble("k"));
  ALMAGEST_TRY(const auto b, value.FindDouble("b"));
  ALMAGEST_TRY(const auto avg_len, value.FindDouble("avg_len"));
  ALMAGEST_TRY(const auto tokenizer, value.FindString("tokenizer"));
  ALMAGEST_TRY(const auto language, value.FindString("language"));
  ALMAGEST_TRY(const auto lowercase, value.FindBool("lowercase"));
  ALMAGEST_TRY(const auto folding, value.FindBool("ascii_folding"));
  options.k = k.value_or(options.k);
  options.b = b.value_or(options.b);
  options.avg_len = avg_len.value_or(options.avg_len);
  options.tokenizer = tokenizer.value_or(options.tokenizer);
  options.language = language.value_or(options.language);
  options.lowercase = lowercase.value_or(options.lowercase);
  options.ascii_folding = folding.value_or(options.ascii_folding);
  if (const auto words = value.Find("stopwords")) {
    ALMAGEST_TRY(options.stopwords, ParseStopWords(*words));
  }
  if (const auto stemmer = value.Find("stemmer")) {
    ALMAGEST_TRY(options.stemmer, ParseStemmer(*stemmer));
  }
  if (const auto length = value.Find("min_token_len")) {
    ALMAGEST_TRY(options.min_token_len, length->AsUnsignedIn(0, UINT32_MAX));
  }
  if (const auto length = value.Find("max_token_len")) {
    ALMAGEST_TRY(options.max_token_len, length->AsUnsignedIn(1, UINT32_MAX));
  }
  return options;
}

}  // namespace

Result<VectorData> TextResolver::Resolve(const JsonValue& value, bool is_query) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"text", "model", "options"}));
  ALMAGEST_TRY(const JsonValue text_value, value.Require("text"));
  ALMAGEST_TRY(const std::string_view text, text_value.AsString());
  if (text.size() > kTextBytesMax) {
    return Fail(ValueError(text_value.path(), fmt::format("of {} bytes", text.size()),
                           fmt::format("at most {} bytes", kTextBytesMax)));
  }
  return Resolve(std::string(text), value, "model", is_query);
}

Result<VectorData> TextResolver::Resolve(std::string text, const JsonValue& value,
                                         std::string_view model_key, bool is_query) {
  ALMAGEST_TRY(const JsonValue model_value, value.Require(model_key));
  ALMAGEST_TRY(const std::string_view model, model_value.AsString());
  ALMAGEST_TRY(const TextModelKind kind, TextModels::KindOf(model));
  const auto options = value.Find("options");
  if (options && kind == TextModelKind::kDense) {
    ALMAGEST_TRY_VOID(options->RefuseUnknownKeys({}));
  }
  const auto key =
      std::make_tuple(std::string(model), is_query, options ? options->ToJson() : std::string());
  auto found = batches_.find(key);
  if (found == batches_.end()) {
    Batch batch;
    batch.kind = kind;
    batch.is_query = is_query;
    if (options && kind == TextModelKind::kSparse) {
      ALMAGEST_TRY(batch.options, ParseBm25Options(*options));
    }
    found = batches_.emplace(key, std::move(batch)).first;
  }
  Batch& batch = found->second;
  const auto [entry, is_new] = batch.texts.try_emplace(std::move(text), 0, false);
  if (is_new) ++pending_count_;
  const auto [index, is_known] = entry->second;
  if (is_known) return batch.vectors[index];
  // A stand-in of the right kind, until EmbedPending.
  if (kind == TextModelKind::kDense) return VectorData(DenseVector());
  return VectorData(SparseVector());
}

Result<> TextResolver::EmbedPending() {
  for (auto& [key, batch] : batches_) ALMAGEST_TRY_VOID(EmbedBatch(std::get<0>(key), batch));
  pending_count_ = 0;
  return {};
}

Result<> TextResolver::EmbedBatch(const std::string& model, Batch& batch) {
  std::vector<std::string> texts;
  for (auto& [text, entry] : batch.texts) {
    if (entry.second) continue;
    entry = {batch.vectors.size() + texts.size(), true};
    texts.push_back(text);
  }
  if (batch.kind == TextModelKind::kSparse) {
    ALMAGEST_TRY(const std::vector<SparseTerms> rows,
                 models_.EmbedSparse(model, texts, batch.options, batch.is_query));
    for (const SparseTerms& terms : rows) {
      batch.vectors.emplace_back(SparseVector{terms.indices, terms.values});
    }
    return {};
  }
  ALMAGEST_TRY(const size_t dimension, TextModels::DimensionsOf(model));
  ALMAGEST_TRY(const std::vector<float> rows, models_.EmbedDense(model, texts, threads_));
  for (size_t i = 0; i < texts.size(); ++i) {
    const float* row = rows.data() + i * dimension;
    batch.vectors.emplace_back(DenseVector(row, row + dimension));
  }
  return {};
}

}  // namespace almagest

#include "engine/text/inference.h"

#include <algorithm>

#include "engine/text/use_lite.h"

namespace almagest {
namespace {

constexpr std::string_view kKnown =
    "known models are use-lite (dense, 512 dimensions) and qdrant/bm25 (sparse)";
constexpr size_t kEchoedNameMax = 100;  // A message repeats no more of a client's text than this.

bool EqualNoCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

tl::unexpected<Error> WrongKind(std::string_view model, const char* gives, const char* wanted) {
  return Fail(ErrorCode::kInvalidArgument, "model '" + std::string(model) + "' gives " + gives +
                                               " vectors, not " + wanted + "; " +
                                               std::string(kKnown));
}

}  // namespace

TextModels::TextModels(std::filesystem::path model_folder) : folder_(std::move(model_folder)) {}
TextModels::~TextModels() = default;

Result<TextModelKind> TextModels::KindOf(std::string_view model) {
  if (EqualNoCase(model, kUseLite)) return TextModelKind::kDense;
  if (EqualNoCase(model, kBm25)) return TextModelKind::kSparse;
  return Fail(ErrorCode::kInvalidArgument, "model '" +
                                               std::string(model.substr(0, kEchoedNameMax)) +
                                               "' is not known; " + std::string(kKnown));
}

Result<size_t> TextModels::DimensionsOf(std::string_view model) {
  ALMAGEST_TRY(const TextModelKind kind, KindOf(model));
  if (kind != TextModelKind::kDense) return WrongKind(model, "sparse", "dense ones");
  return UseLite::kDimensions;
}

Result<std::shared_ptr<const UseLite>> TextModels::DenseModel() {
  const std::lock_guard lock(mutex_);
  if (use_lite_ == nullptr) {
    ALMAGEST_TRY(UseLite loaded, UseLite::Load(folder_));
    use_lite_ = std::make_shared<const UseLite>(std::move(loaded));
  }
  return use_lite_;
}

Result<std::vector<float>> TextModels::EmbedDense(std::string_view model,
                                                  std::span<const std::string> texts, int threads) {
  ALMAGEST_TRY_VOID(DimensionsOf(model));
  ALMAGEST_TRY(const std::shared_ptr<const UseLite> encoder, DenseModel());
  return encoder->Encode(texts, threads);
}

Result<std::vector<SparseTerms>> TextModels::EmbedSparse(std::string_view model,
                                                         std::span<const std::string> texts,
                                                         const Bm25Options& options,
                                                         bool is_query) const {
  ALMAGEST_TRY(const TextModelKind kind, KindOf(model));
  if (kind != TextModelKind::kSparse) return WrongKind(model, "dense", "sparse ones");
  ALMAGEST_TRY(const Bm25 bm25, Bm25::Create(options));
  std::vector<SparseTerms> terms;
  terms.reserve(texts.size());
  for (const std::string& text : texts) {
    terms.push_back(is_query ? bm25.Query(text) : bm25.Document(text));
  }
  return terms;
}

}  // namespace almagest

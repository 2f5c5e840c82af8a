#include "engine/payload/payload_index_type.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace almagest {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::string_view, 8> kTypeNames = {"keyword",  "integer", "float", "bool",
                                                        "datetime", "uuid",    "geo",   "text"};

tl::unexpected<Error> Bad(std::string_view key, std::string_view what) {
  return Fail(ErrorCode::kBadRequest, "`" + std::string(key) + "` " + std::string(what));
}

// Which parameters each type has, besides those of all.
bool Takes(PayloadIndexType type, std::string_view key) {
  using enum PayloadIndexType;
  if (key == "type" || key == "on_disk" || key == "memory" || key == "enable_hnsw") return true;
  if (key == "is_tenant") return type == kKeyword || type == kUuid;
  if (key == "is_principal") return type == kInteger || type == kFloat || type == kDatetime;
  if (key == "lookup" || key == "range") return type == kInteger;
  if (key == "prefix") return type == kKeyword;
  constexpr std::array<std::string_view, 8> kOfText = {
      "tokenizer", "min_token_len",   "max_token_len", "lowercase",
      "stopwords", "phrase_matching", "stemmer",       "ascii_folding"};
  return type == kText && std::ranges::find(kOfText, key) != kOfText.end();
}

Result<> ReadBool(const Json& object, const char* key, bool* value) {
  const auto found = object.find(key);
  if (found == object.end()) return {};
  if (!found->is_boolean()) return Bad(key, "must be true or false");
  *value = found->get<bool>();
  return {};
}

Result<> ReadLength(const Json& object, const char* key, std::optional<uint32_t>* value) {
  const auto found = object.find(key);
  if (found == object.end()) return {};
  if (!found->is_number_unsigned() || found->get<uint64_t>() > UINT32_MAX) {
    return Bad(key, "must be a whole number from 0 to 4294967295");
  }
  *value = found->get<uint32_t>();
  return {};
}

Result<std::vector<std::string>> ReadStrings(const Json& object, const char* key) {
  std::vector<std::string> strings;
  const auto found = object.find(key);
  if (found == object.end()) return strings;
  if (!found->is_array()) return Bad(std::string("stopwords.") + key, "must be a list of strings");
  for (const Json& item : *found) {
    if (!item.is_string()) {
      return Bad(std::string("stopwords.") + key, "must be a list of strings");
    }
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

// A language, or {"languages": [...], "custom": [...]}.
Result<> ReadStopWords(const Json& object, TokenizerOptions* options) {
  const auto found = object.find("stopwords");
  if (found == object.end()) return {};
  StopWords words;
  if (found->is_string()) {
    words.languages.push_back(found->get<std::string>());
  } else if (found->is_object()) {
    for (const auto& [key, value] : found->items()) {
      if (key != "languages" && key != "custom") return Bad("stopwords." + key, "is not known");
    }
    ALMAGEST_TRY(words.languages, ReadStrings(*found, "languages"));
    ALMAGEST_TRY(words.custom, ReadStrings(*found, "custom"));
  } else {
    return Bad("stopwords", "must be a language, or an object with `languages` and `custom`");
  }
  options->stopwords = std::move(words);
  return {};
}

// {"type": "snowball", "language": ...} or {"type": "none"}.
Result<> ReadStemmer(const Json& object, TokenizerOptions* options) {
  const auto found = object.find("stemmer");
  if (found == object.end()) return {};
  const auto type = found->is_object() ? found->find("type") : found->end();
  if (!found->is_object() || type == found->end() || (*type != "snowball" && *type != "none")) {
    return Bad("stemmer", "must be an object whose `type` is `snowball` or `none`");
  }
  if (*type == "none") {
    options->stemmer = "none";
    return {};
  }
  const auto language = found->find("language");
  if (language == found->end() || !language->is_string()) {
    return Bad("stemmer.language", "is missing");
  }
  options->stemmer = language->get<std::string>();
  return {};
}

Result<> ReadText(const Json& object, PayloadIndexConfig* config) {
  TokenizerOptions& options = config->text;
  if (const auto found = object.find("tokenizer"); found != object.end()) {
    if (!found->is_string()) return Bad("tokenizer", "must be a string");
    options.tokenizer = found->get<std::string>();
  }
  ALMAGEST_TRY_VOID(ReadLength(object, "min_token_len", &options.min_token_len));
  ALMAGEST_TRY_VOID(ReadLength(object, "max_token_len", &options.max_token_len));
  ALMAGEST_TRY_VOID(ReadBool(object, "lowercase", &options.lowercase));
  ALMAGEST_TRY_VOID(ReadBool(object, "ascii_folding", &options.ascii_folding));
  ALMAGEST_TRY_VOID(ReadBool(object, "phrase_matching", &config->phrase_matching));
  ALMAGEST_TRY_VOID(ReadStopWords(object, &options));
  ALMAGEST_TRY_VOID(ReadStemmer(object, &options));
  ALMAGEST_TRY_VOID(Tokenizer::Create(options));  // Everything else that may be wrong with them.
  return {};
}

Result<PayloadIndexConfig> FromObject(Json object) {
  for (auto it = object.begin(); it != object.end();) {
    it = it->is_null() ? object.erase(it) : std::next(it);
  }
  const auto name = object.find("type");
  if (name == object.end() || !name->is_string()) return Bad("type", "is missing");
  const auto type = ParsePayloadIndexType(name->get<std::string>());
  if (!type)
    return Bad("type", "must be one of keyword, integer, float, bool, datetime, uuid, geo, text");
  PayloadIndexConfig config(*type);
  for (const auto& [key, value] : object.items()) {
    if (!Takes(*type, key)) {
      return Bad(key, "is not a parameter of a " + name->get<std::string>() + " index");
    }
  }
  bool hint = false;  // What says where data may lie changes no answer.
  for (const char* key : {"on_disk", "enable_hnsw", "is_principal"}) {
    ALMAGEST_TRY_VOID(ReadBool(object, key, &hint));
  }
  if (const auto memory = object.find("memory"); memory != object.end()) {
    if (*memory != "cold" && *memory != "cached" && *memory != "pinned") {
      return Bad("memory", "must be one of cold, cached, pinned");
    }
  }
  ALMAGEST_TRY_VOID(ReadBool(object, "is_tenant", &config.is_tenant));
  ALMAGEST_TRY_VOID(ReadBool(object, "prefix", &config.prefix));
  ALMAGEST_TRY_VOID(ReadBool(object, "lookup", &config.lookup));
  ALMAGEST_TRY_VOID(ReadBool(object, "range", &config.range));
  if (!config.lookup && !config.range) {
    return Fail(ErrorCode::kOutOfRange,
                "the `lookup` and `range` capabilities can't be both disabled");
  }
  if (*type == PayloadIndexType::kText) {
    if (!object.contains("tokenizer")) object["tokenizer"] = "word";
    ALMAGEST_TRY_VOID(ReadText(object, &config));
  }
  config.parameters = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  return config;
}

}  // namespace

std::string_view PayloadIndexTypeName(PayloadIndexType type) {
  return kTypeNames[static_cast<size_t>(type)];
}

std::optional<PayloadIndexType> ParsePayloadIndexType(std::string_view name) {
  const auto found = std::find(kTypeNames.begin(), kTypeNames.end(), name);
  if (found == kTypeNames.end()) return std::nullopt;
  return static_cast<PayloadIndexType>(found - kTypeNames.begin());
}

Result<PayloadIndexConfig> ParsePayloadIndexConfig(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) return FromObject(std::move(json));
  const auto type =
      json.is_string() ? ParsePayloadIndexType(json.get<std::string>()) : std::nullopt;
  if (!type) {
    return Fail(ErrorCode::kBadRequest,
                "expected a type (keyword, integer, float, bool, datetime, uuid, geo, text) or an "
                "object with one");
  }
  return PayloadIndexConfig(*type);
}

std::string PayloadIndexConfigToJson(const PayloadIndexConfig& config) {
  if (!config.parameters.empty()) return config.parameters;
  return '"' + std::string(PayloadIndexTypeName(config.type)) + '"';
}

}  // namespace almagest

// Filters evaluated the plain way on nlohmann::json: the reference for the property test. Texts are
// ASCII; a text index cuts words in lower case and keeps their order.
#pragma once

#include <algorithm>
#include <cctype>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "engine/payload/datetime.h"
#include "engine/payload/filter.h"
#include "engine/payload/geo.h"
#include "engine/payload/id_slice.h"

namespace almagest {

struct NaivePoint {
  PointId id;
  nlohmann::json payload;
  bool has_vector = false;
  const std::set<std::string>* text_paths = nullptr;  // Those with a text index.
  std::string scope;                                  // What stands before a key, in a nested one.
};

// Paths of keys separated by '.', each followed by any number of `[]`.
inline std::vector<nlohmann::json> NaiveGet(const nlohmann::json& value, const std::string& path) {
  if (path.empty()) return {value};
  if (path.starts_with("[]")) {
    std::vector<nlohmann::json> found;
    if (!value.is_array()) return found;
    for (const auto& element : value) {
      for (auto& item : NaiveGet(element, path.substr(2))) found.push_back(item);
    }
    return found;
  }
  const std::string rest = path.starts_with(".") ? path.substr(1) : path;
  const size_t end = std::min(rest.find_first_of(".["), rest.size());
  const auto key = rest.substr(0, end);
  if (!value.is_object() || !value.contains(key)) return {};
  return NaiveGet(value.at(key), rest.substr(end));
}

inline std::vector<nlohmann::json> NaiveElements(const nlohmann::json& value) {
  if (!value.is_array()) return {value};
  return {value.begin(), value.end()};
}

inline bool NaiveEqual(const nlohmann::json& value, const MatchScalar& scalar) {
  if (const auto* flag = std::get_if<bool>(&scalar)) return value.is_boolean() && value == *flag;
  if (const auto* text = std::get_if<std::string>(&scalar)) {
    return value.is_string() && value.get<std::string>() == *text;
  }
  return value.is_number_integer() && value == std::get<int64_t>(scalar);
}

template <class Bounds, class Value>
bool NaiveWithin(const Bounds& b, Value v) {
  if (b.gt && !(v > *b.gt)) return false;
  if (b.gte && !(v >= *b.gte)) return false;
  if (b.lt && !(v < *b.lt)) return false;
  return !b.lte || v <= *b.lte;
}

inline std::vector<std::string> NaiveWords(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) {
      words.emplace_back();
    } else {
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  std::erase(words, "");
  return words;
}

// With a text index: words may be spread over the elements, a phrase may not.
inline bool NaiveText(const MatchText& match, const std::vector<nlohmann::json>& elements) {
  const auto wanted = NaiveWords(match.text);
  std::vector<std::string> all;
  bool phrase = false;
  for (const auto& element : elements) {
    if (!element.is_string()) continue;
    const auto words = NaiveWords(element.get<std::string>());
    for (size_t i = 0; i + wanted.size() <= words.size(); ++i) {
      phrase = phrase || std::equal(wanted.begin(), wanted.end(), words.begin() + i);
    }
    all.insert(all.end(), words.begin(), words.end());
  }
  size_t met = 0;
  for (const auto& word : wanted) met += std::find(all.begin(), all.end(), word) != all.end();
  if (wanted.empty()) return false;
  if (match.mode == TextMode::kPhrase) return phrase;
  return match.mode == TextMode::kAny ? met > 0 : met == wanted.size();
}

inline bool NaiveContains(const MatchText& match, const std::string& text) {
  if (match.mode != TextMode::kAny) return text.find(match.text) != std::string::npos;
  std::istringstream stream(match.text);
  const std::vector<std::string> words{std::istream_iterator<std::string>(stream), {}};
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return text.find(word) != std::string::npos; });
}

inline bool NaiveArea(const FieldCondition& field, const nlohmann::json& element) {
  if (!element.is_object() || !element.contains("lon") || !element.contains("lat")) return false;
  if (!element["lon"].is_number() || !element["lat"].is_number()) return false;
  const GeoPoint point{element["lon"].get<double>(), element["lat"].get<double>()};
  if (!IsGeoPoint(point)) return false;
  if (const auto* box = std::get_if<GeoBoundingBox>(&field.test)) return InArea(*box, point);
  if (const auto* circle = std::get_if<GeoRadius>(&field.test)) return InArea(*circle, point);
  return InArea(std::get<GeoPolygon>(field.test), point);
}

inline bool NaiveElement(const FieldCondition& field, const nlohmann::json& element) {
  if (const auto* range = std::get_if<Range>(&field.test)) {
    return element.is_number() && NaiveWithin(*range, element.get<double>());
  }
  if (const auto* range = std::get_if<DatetimeRange>(&field.test)) {
    if (!element.is_string()) return false;
    const auto time = ParseDatetime(element.get<std::string>());
    return time && NaiveWithin(*range, *time);
  }
  if (!std::holds_alternative<Match>(field.test)) return NaiveArea(field, element);
  const auto& match = std::get<Match>(field.test);
  const auto in = [&](const std::vector<MatchScalar>& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const MatchScalar& scalar) { return NaiveEqual(element, scalar); });
  };
  if (const auto* value = std::get_if<MatchValue>(&match)) return NaiveEqual(element, value->value);
  if (const auto* any = std::get_if<MatchAny>(&match)) return in(any->values);
  if (const auto* text = std::get_if<MatchText>(&match)) {
    return element.is_string() && NaiveContains(*text, element.get<std::string>());
  }
  if (const auto* prefix = std::get_if<MatchPrefix>(&match)) {
    return element.is_string() && element.get<std::string>().starts_with(prefix->prefix);
  }
  return !element.is_null() && !in(std::get<MatchExcept>(match).values);
}

bool NaiveMatches(const Filter& filter, const nlohmann::json& scope, const NaivePoint& point);

inline bool NaiveMatches(const Condition& condition, const nlohmann::json& scope,
                         const NaivePoint& point) {
  if (const auto* field = std::get_if<FieldCondition>(&condition)) {
    const auto values = NaiveGet(scope, field->key);
    if (const auto* count = std::get_if<ValuesCount>(&field->test)) {
      if (values.empty()) return NaiveWithin(*count, uint64_t{0});
      return std::any_of(values.begin(), values.end(), [&](const auto& value) {
        const uint64_t n = value.is_array() ? value.size() : value.is_null() ? 0 : 1;
        return NaiveWithin(*count, n);
      });
    }
    std::vector<nlohmann::json> elements;
    for (const auto& value : values) {
      for (const auto& element : NaiveElements(value)) elements.push_back(element);
    }
    const auto* match = std::get_if<Match>(&field->test);
    const auto* text = match != nullptr ? std::get_if<MatchText>(match) : nullptr;
    if (text != nullptr && point.text_paths != nullptr &&
        point.text_paths->contains(point.scope + field->key)) {
      return NaiveText(*text, elements);
    }
    for (const auto& value : values) {
      for (const auto& element : NaiveElements(value)) {
        if (NaiveElement(*field, element)) return true;
      }
    }
    return false;
  }
  if (const auto* empty = std::get_if<IsEmptyCondition>(&condition)) {
    const auto values = NaiveGet(scope, empty->key);
    return std::all_of(values.begin(), values.end(), [](const auto& value) {
      return value.is_null() || (value.is_array() && value.empty());
    });
  }
  if (const auto* null = std::get_if<IsNullCondition>(&condition)) {
    for (const auto& value : NaiveGet(scope, null->key)) {
      for (const auto& element : NaiveElements(value)) {
        if (element.is_null()) return true;
      }
    }
    return false;
  }
  if (const auto* ids = std::get_if<HasIdCondition>(&condition)) {
    return std::count(ids->ids.begin(), ids->ids.end(), point.id) > 0;
  }
  if (const auto* vector = std::get_if<HasVectorCondition>(&condition)) {
    return vector->name == "v" && point.has_vector;
  }
  if (const auto* slice = std::get_if<SliceCondition>(&condition)) {
    return HashOfId(point.id) % slice->total == slice->index;
  }
  if (const auto* nested = std::get_if<NestedCondition>(&condition)) {
    NaivePoint inside = point;
    inside.scope += nested->key + "[].";
    for (const auto& element : NaiveGet(scope, nested->key + "[]")) {
      if (element.is_object() && NaiveMatches(*nested->filter, element, inside)) return true;
    }
    return false;
  }
  return NaiveMatches(*std::get<FilterCondition>(condition).filter, scope, point);
}

inline bool NaiveMatches(const Filter& filter, const nlohmann::json& scope,
                         const NaivePoint& point) {
  const auto count = [&](const std::vector<Condition>& conditions) {
    size_t met = 0;
    for (const Condition& condition : conditions) met += NaiveMatches(condition, scope, point);
    return met;
  };
  if (count(filter.must) != filter.must.size()) return false;
  if (count(filter.must_not) != 0) return false;
  if (!filter.should.empty() && count(filter.should) == 0) return false;
  return !filter.min_should || count(filter.min_should->conditions) >= filter.min_should->min_count;
}

}  // namespace almagest

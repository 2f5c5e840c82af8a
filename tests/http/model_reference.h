// What the server should answer, worked out the plain way on JSON: the reference of model_test.cpp.
#pragma once

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace almagest {

struct ModelPoint {
  nlohmann::json payload = nlohmann::json::object();
  // Scores are chosen to be unique: dense is [x, 1], sparse one weight at index 7, multi [[x, 0],
  // [0, 1]].
  std::optional<double> dense, sparse, multi;
};

class Model {
 public:
  using Json = nlohmann::json;
  std::map<int, ModelPoint> points;
  bool text_index = false;  // On "t".

  std::vector<int> Matching(const Json& filter) const {
    std::vector<int> ids;
    for (const auto& [id, point] : points) {
      if (Matches(filter, point.payload, id)) ids.push_back(id);
    }
    return ids;
  }

  bool Matches(const Json& filter, const Json& scope, int id) const {
    const auto met = [&](const Json& conditions) {
      size_t count = 0;
      for (const Json& condition : conditions) count += Holds(condition, scope, id);
      return count;
    };
    const auto clause = [&](const char* name) { return filter.value(name, Json::array()); };
    if (met(clause("must")) < clause("must").size() || met(clause("must_not")) > 0) return false;
    if (!clause("should").empty() && met(clause("should")) == 0) return false;
    if (!filter.contains("min_should")) return true;
    const Json& enough = filter["min_should"];
    return met(enough["conditions"]) >= enough["min_count"].get<size_t>();
  }

 private:
  static std::vector<std::string> Words(const std::string& text) {
    std::vector<std::string> words(1);
    for (const char c : text) {
      if (c == ' ') {
        words.emplace_back();
      } else {
        words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      }
    }
    return words;
  }

  bool HoldsText(const std::string& kind, const std::string& wanted, const Json& value) const {
    if (!value.is_string()) return false;
    const auto text = value.get<std::string>();
    const auto words = Words(wanted);
    size_t found = 0;
    if (!text_index) {
      if (kind != "text_any") return text.find(wanted) != std::string::npos;
      for (const auto& word : words) found += text.find(word) != std::string::npos;
      return found > 0;
    }
    const auto have = Words(text);
    if (kind == "phrase") return !std::ranges::search(have, words).empty();
    for (const auto& word : words) found += std::ranges::find(have, word) != have.end();
    return kind == "text_any" ? found > 0 : found == words.size();
  }

  static bool Equal(const Json& a, const Json& b) {  // 3 and 3.0 are not the same.
    return a == b && a.is_number_integer() == b.is_number_integer();
  }

  bool HoldsMatch(const Json& match, const Json& value) const {
    const std::string kind = match.begin().key();
    const Json& wanted = match.begin().value();
    if (kind == "value") return Equal(value, wanted);
    if (kind == "prefix") {
      return value.is_string() && value.get<std::string>().starts_with(wanted.get<std::string>());
    }
    if (kind == "any" || kind == "except") {
      const bool listed = std::any_of(wanted.begin(), wanted.end(),
                                      [&](const Json& one) { return Equal(value, one); });
      return kind == "any" ? listed : !listed && !value.is_null();
    }
    return HoldsText(kind, wanted.get<std::string>(), value);
  }

  template <class Number>
  static bool Within(const Json& range, Number value) {
    return (!range.contains("gt") || value > range["gt"].get<Number>()) &&
           (!range.contains("gte") || value >= range["gte"].get<Number>()) &&
           (!range.contains("lt") || value < range["lt"].get<Number>()) &&
           (!range.contains("lte") || value <= range["lte"].get<Number>());
  }

  static bool InBox(const Json& box, const Json& value) {
    if (!value.is_object() || !value.contains("lon")) return false;
    const double lon = value["lon"];
    const double lat = value["lat"];
    const double west = box["top_left"]["lon"];
    const double east = box["bottom_right"]["lon"];
    const bool inside = west > east ? lon > west || lon < east : lon > west && lon < east;
    return inside && lat < box["top_left"]["lat"].get<double>() &&
           lat > box["bottom_right"]["lat"].get<double>();
  }

  // A test on one value, or on one element of an array.
  bool HoldsValue(const Json& condition, const Json& value) const {
    if (condition.contains("match")) return HoldsMatch(condition["match"], value);
    if (condition.contains("range")) {
      return value.is_number() && Within(condition["range"], value.get<double>());
    }
    return InBox(condition["geo_bounding_box"], value);
  }

  bool Holds(const Json& condition, const Json& scope, int id) const {
    if (condition.contains("has_id")) {
      const Json& ids = condition["has_id"];
      return std::find(ids.begin(), ids.end(), Json(id)) != ids.end();
    }
    if (condition.contains("has_vector")) {
      const ModelPoint& point = points.at(id);
      const Json& name = condition["has_vector"];
      return (name == "d" ? point.dense : name == "s" ? point.sparse : point.multi).has_value();
    }
    if (condition.contains("nested")) {
      const Json& nested = condition["nested"];
      const Json list = scope.value(nested["key"].get<std::string>(), Json());
      return list.is_array() && std::any_of(list.begin(), list.end(), [&](const Json& element) {
               return element.is_object() && Matches(nested["filter"], element, id);
             });
    }
    if (!condition.contains("key") && !condition.contains("is_empty") &&
        !condition.contains("is_null")) {
      return Matches(condition, scope, id);
    }
    const Json& named = condition.contains("key")        ? condition
                        : condition.contains("is_empty") ? condition["is_empty"]
                                                         : condition["is_null"];
    const auto key = named["key"].get<std::string>();
    const bool missing = !scope.contains(key);
    const Json value = missing ? Json() : scope[key];
    const Json elements = value.is_array() ? value : Json::array({value});
    if (condition.contains("is_empty")) {
      return value.is_null() || (value.is_array() && value.empty());
    }
    if (condition.contains("is_null")) {
      return !missing && std::any_of(elements.begin(), elements.end(),
                                     [](const Json& element) { return element.is_null(); });
    }
    if (condition.contains("values_count")) {
      const size_t count = value.is_array() ? value.size() : value.is_null() ? 0 : 1;
      return Within(condition["values_count"], count);
    }
    return !missing && std::any_of(elements.begin(), elements.end(), [&](const Json& element) {
      return HoldsValue(condition, element);
    });
  }
};

}  // namespace almagest

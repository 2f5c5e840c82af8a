#include "engine/payload/payload_index.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/payload/condition_match.h"
#include "engine/payload/datetime.h"
#include "engine/payload/geo_index.h"
#include "engine/payload/text_index.h"
#include "engine/payload/text_query.h"
#include "engine/payload/value_facts.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

// How a scalar of a filter is found in an index: under `key` exactly, under `key` together with
// scalars that look alike there, or among the values of other types.
template <class Key>
struct Lookup {
  std::optional<Key> key;
  bool exact = false;
};

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

// Integers in numeric order, comparable with the bounds of a range.
struct NumberLess {
  using is_transparent = void;
  bool operator()(int64_t a, int64_t b) const { return a < b; }
  bool operator()(int64_t a, double b) const { return static_cast<double>(a) < b; }
  bool operator()(double a, int64_t b) const { return a < static_cast<double>(b); }
};

// One traits class per type of value: the container, what a payload value becomes in it, how a
// match scalar is found, and which range condition it answers (a test on the key).
struct KeywordTraits {
  using Key = std::string;
  using Postings = std::unordered_map<std::string, SlotSet, StringHash, std::equal_to<>>;
  using RangeTest = void;
  static std::optional<Key> KeyOf(const JsonElement& value) {
    std::string_view text;
    if (value.get_string().get(text)) return std::nullopt;
    return std::string(text);
  }
  static Lookup<Key> Find(const MatchScalar& scalar) {
    const auto* text = std::get_if<std::string>(&scalar);
    return text != nullptr ? Lookup<Key>{*text, true} : Lookup<Key>{};
  }
};

// Values in order, so that those with a common prefix stand together.
struct OrderedKeywordTraits : KeywordTraits {
  using Postings = std::map<std::string, SlotSet, std::less<>>;
};

struct IntegerTraits {
  using Key = int64_t;
  using Postings = std::map<int64_t, SlotSet, NumberLess>;
  using RangeTest = Range;
  static std::optional<Key> KeyOf(const JsonElement& value) {
    if (value.type() != JsonType::INT64) return std::nullopt;
    return value.get_int64().value_unsafe();
  }
  static Lookup<Key> Find(const MatchScalar& scalar) {
    const auto* integer = std::get_if<int64_t>(&scalar);
    return integer != nullptr ? Lookup<Key>{*integer, true} : Lookup<Key>{};
  }
};

struct FloatTraits {
  using Key = double;
  using Postings = std::map<double, SlotSet>;
  using RangeTest = Range;
  static std::optional<Key> KeyOf(const JsonElement& value) {
    double number = 0;
    if (value.get_double().get(number)) return std::nullopt;
    return number;
  }
  static Lookup<Key> Find(const MatchScalar& scalar) {
    const auto* integer = std::get_if<int64_t>(&scalar);  // 5 and 5.0 have one key.
    return integer != nullptr ? Lookup<Key>{static_cast<double>(*integer), false} : Lookup<Key>{};
  }
};

struct BoolTraits {
  using Key = bool;
  using Postings = std::map<bool, SlotSet>;
  using RangeTest = void;
  static std::optional<Key> KeyOf(const JsonElement& value) {
    if (!value.is_bool()) return std::nullopt;
    return value.get_bool().value_unsafe();
  }
  static Lookup<Key> Find(const MatchScalar& scalar) {
    const auto* flag = std::get_if<bool>(&scalar);
    return flag != nullptr ? Lookup<Key>{*flag, true} : Lookup<Key>{};
  }
};

struct DatetimeTraits {
  using Key = int64_t;
  using Postings = std::map<int64_t, SlotSet>;
  using RangeTest = DatetimeRange;
  static std::optional<Key> KeyOf(const JsonElement& value) {
    std::string_view text;
    if (value.get_string().get(text)) return std::nullopt;
    return ParseDatetime(text);
  }
  static Lookup<Key> Find(const MatchScalar& scalar) {
    const auto* text = std::get_if<std::string>(&scalar);  // One instant has many spellings.
    return text != nullptr ? Lookup<Key>{ParseDatetime(*text), false} : Lookup<Key>{};
  }
};

template <class Traits>
class TypedIndex : public PayloadIndex {
 public:
  TypedIndex(PayloadPath path, const PayloadIndexConfig& config)
      : PayloadIndex(std::move(path), config) {}

  void Update(Slot slot, std::string_view old_payload, std::string_view new_payload) override {
    if (old_payload == new_payload) return;
    const Values before = Extract(old_payload);
    const Values after = Extract(new_payload);
    if (before == after) return;
    for (const auto& key : before.keys) {
      const auto found = postings_.find(key);
      ALMAGEST_CHECK(found != postings_.end());
      if (std::find(after.keys.begin(), after.keys.end(), key) != after.keys.end()) continue;
      found->second.Remove(slot);
      if (found->second.empty()) postings_.erase(found);
    }
    for (const auto& key : after.keys) postings_[key].Add(slot);
    facts_.Enter(slot, after.facts);
  }

  IndexAnswer Answer(const FieldCondition& condition) const override {
    if (const auto* match = std::get_if<Match>(&condition.test)) {
      return std::visit([&](const auto& test) { return AnswerMatch(test); }, *match);
    }
    if (const auto* range = std::get_if<Range>(&condition.test)) return AnswerRange(*range);
    if (const auto* range = std::get_if<DatetimeRange>(&condition.test)) {
      return AnswerRange(*range);
    }
    ALMAGEST_CHECK(!std::holds_alternative<ValuesCount>(condition.test));
    return {{}, facts_.others};  // Geo conditions: objects, which no index of this kind holds.
  }

  bool VisitOrdered(bool descending, std::optional<double> start,
                    const std::function<bool(double, const SlotSet&)>& visit) const override {
    if constexpr (std::is_void_v<typename Traits::RangeTest>) {
      return false;
    } else if (!config().range) {
      return false;
    } else if (descending) {
      for (auto it = postings_.rbegin(); it != postings_.rend(); ++it) {
        const auto value = static_cast<double>(it->first);
        if ((!start || value <= *start) && !visit(value, it->second)) break;
      }
    } else {
      for (const auto& [key, slots] : postings_) {
        const auto value = static_cast<double>(key);
        if ((!start || value >= *start) && !visit(value, slots)) break;
      }
    }
    return true;
  }

  uint64_t MemoryBytes() const override {
    uint64_t bytes = facts_.MemoryBytes();
    for (const auto& [key, slots] : postings_) {
      bytes += sizeof key + slots.MemoryBytes() + 32;  // A node or bucket.
      if constexpr (std::is_same_v<typename Traits::Key, std::string>) bytes += key.capacity();
    }
    return bytes;
  }

 private:
  using Key = typename Traits::Key;
  static constexpr bool kIsText = std::is_base_of_v<KeywordTraits, Traits>;

  // What one payload holds at the path.
  struct Values {
    std::vector<Key> keys;  // Without duplicates.
    ValueFacts facts;
    bool operator==(const Values&) const = default;
  };

  Values Extract(std::string_view payload) const {
    Values values;
    values.facts = ReadValues(payload, path(), [&](const JsonElement& element) {
      auto key = Traits::KeyOf(element);
      if (key) values.keys.push_back(std::move(*key));
      return key.has_value();
    });
    std::sort(values.keys.begin(), values.keys.end());
    values.keys.erase(std::unique(values.keys.begin(), values.keys.end()), values.keys.end());
    return values;
  }

  // The slots that hold one of the scalars: for sure, or perhaps.
  IndexAnswer Holders(std::span<const MatchScalar> scalars) const {
    if (!config().lookup) return {{}, facts_.present};
    std::vector<const SlotSet*> sure;
    std::vector<const SlotSet*> maybe;
    bool among_others = false;
    for (const MatchScalar& scalar : scalars) {
      const auto lookup = Traits::Find(scalar);
      if (!lookup.key) {
        among_others = true;
        continue;
      }
      const auto found = postings_.find(*lookup.key);
      if (found != postings_.end()) (lookup.exact ? sure : maybe).push_back(&found->second);
    }
    if (among_others) maybe.push_back(&facts_.others);
    IndexAnswer answer{SlotSet::Union(sure), SlotSet::Union(maybe)};
    answer.maybe -= answer.sure;
    return answer;
  }

  IndexAnswer AnswerMatch(const MatchValue& match) const {
    return Holders(std::span(&match.value, 1));
  }
  IndexAnswer AnswerMatch(const MatchAny& match) const { return Holders(match.values); }

  // A slot with one value matches unless it holds a listed one; where there are several, another
  // of them may match, so they are read.
  IndexAnswer AnswerMatch(const MatchExcept& match) const {
    const IndexAnswer listed = Holders(match.values);
    IndexAnswer answer;
    answer.sure = facts_.present - listed.sure - listed.maybe;
    answer.maybe = (listed.sure & facts_.several) | listed.maybe;
    return answer;
  }

  IndexAnswer AnswerMatch(const MatchText& match) const {
    return AnswerStrings([&](const std::string& key) { return ContainsText(key, match); });
  }

  IndexAnswer AnswerMatch(const MatchPrefix& match) const {
    if constexpr (std::is_same_v<Traits, OrderedKeywordTraits>) {
      std::vector<const SlotSet*> sure;
      for (auto it = postings_.lower_bound(match.prefix);
           it != postings_.end() && it->first.starts_with(match.prefix); ++it) {
        sure.push_back(&it->second);
      }
      return {SlotSet::Union(sure), {}};
    }
    return AnswerStrings([&](const std::string& key) { return key.starts_with(match.prefix); });
  }

  // The slots with a string that passes the test.
  template <class Test>
  IndexAnswer AnswerStrings(const Test& test) const {
    if constexpr (kIsText) {
      std::vector<const SlotSet*> sure;
      for (const auto& [key, slots] : postings_) {
        if (test(key)) sure.push_back(&slots);
      }
      return {SlotSet::Union(sure), {}};
    }
    if constexpr (std::is_same_v<Traits, DatetimeTraits>) return {{}, facts_.present};
    return {{}, facts_.others};
  }

  template <class Bounds>
  IndexAnswer AnswerRange(const Bounds& bounds) const {
    if constexpr (std::is_same_v<typename Traits::RangeTest, Bounds>) {
      if (!config().range) return {{}, facts_.present};
      auto low = bounds.gte;
      if (bounds.gt && (!low || *bounds.gt > *low)) low = bounds.gt;
      std::vector<const SlotSet*> sure;
      for (auto it = low ? postings_.lower_bound(*low) : postings_.begin(); it != postings_.end();
           ++it) {
        using Value = std::conditional_t<std::is_same_v<Bounds, Range>, double, int64_t>;
        const auto value = static_cast<Value>(it->first);
        if ((bounds.lt && value >= *bounds.lt) || (bounds.lte && value > *bounds.lte)) break;
        if (InRange(bounds, value)) sure.push_back(&it->second);
      }
      IndexAnswer answer{SlotSet::Union(sure), facts_.others};
      answer.maybe -= answer.sure;
      return answer;
    } else {
      // Datetimes hide in the strings of a keyword index; numbers are among the others.
      constexpr bool kHidden = kIsText && std::is_same_v<Bounds, DatetimeRange>;
      return {{}, kHidden ? facts_.present : facts_.others};
    }
  }

  typename Traits::Postings postings_;
};

}  // namespace

std::unique_ptr<PayloadIndex> PayloadIndex::Make(PayloadPath path,
                                                 const PayloadIndexConfig& config) {
  switch (config.type) {
    case PayloadIndexType::kKeyword:
      if (config.prefix) {
        return std::make_unique<TypedIndex<OrderedKeywordTraits>>(std::move(path), config);
      }
      return std::make_unique<TypedIndex<KeywordTraits>>(std::move(path), config);
    case PayloadIndexType::kUuid:
      return std::make_unique<TypedIndex<KeywordTraits>>(std::move(path), config);
    case PayloadIndexType::kInteger:
      return std::make_unique<TypedIndex<IntegerTraits>>(std::move(path), config);
    case PayloadIndexType::kFloat:
      return std::make_unique<TypedIndex<FloatTraits>>(std::move(path), config);
    case PayloadIndexType::kBool:
      return std::make_unique<TypedIndex<BoolTraits>>(std::move(path), config);
    case PayloadIndexType::kDatetime:
      return std::make_unique<TypedIndex<DatetimeTraits>>(std::move(path), config);
    case PayloadIndexType::kGeo:
      return MakeGeoIndex(std::move(path), config);
    case PayloadIndexType::kText:
      return std::make_unique<TextIndex>(std::move(path), config);
  }
  ALMAGEST_CHECK(false);
  return nullptr;
}

}  // namespace almagest

#include "engine/payload/payload_index.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/payload/condition_match.h"
#include "engine/payload/datetime.h"
#include "engine/payload/geo_index.h"
#include "engine/payload/ordered_postings.h"
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

// Postings in a map of the standard library, with the interface of OrderedPostings as far as it is
// needed: for values without ranges.
template <class Map>
class MapPostings {
 public:
  using Key = typename Map::key_type;
  const SlotSet* Find(const Key& key) const {
    const auto found = map_.find(key);
    return found == map_.end() ? nullptr : &found->second;
  }
  void Add(const Key& key, Slot slot) { map_[key].Add(slot); }
  void Remove(const Key& key, Slot slot, const std::vector<Key>& /*kept*/) {
    const auto found = map_.find(key);
    ALMAGEST_CHECK(found != map_.end());
    found->second.Remove(slot);
    if (found->second.empty()) map_.erase(found);
  }
  const Map& map() const { return map_; }
  uint64_t MemoryBytes() const {
    uint64_t bytes = 0;
    for (const auto& [key, slots] : map_) {
      bytes += sizeof key + slots.MemoryBytes() + 32;  // A node or bucket.
      if constexpr (std::is_same_v<Key, std::string>) bytes += key.capacity();
    }
    return bytes;
  }

 private:
  Map map_;
};

// One traits class per type of value: the container, what a payload value becomes in it, how a
// match scalar is found, and which range condition it answers (a test on the key).
struct KeywordTraits {
  using Key = std::string;
  using Postings =
      MapPostings<std::unordered_map<std::string, SlotSet, StringHash, std::equal_to<>>>;
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
  using Postings = MapPostings<std::map<std::string, SlotSet, std::less<>>>;
};

struct IntegerTraits {
  using Key = int64_t;
  using Postings = OrderedPostings<int64_t>;
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
  using Postings = OrderedPostings<double>;
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
  using Postings = MapPostings<std::map<bool, SlotSet>>;
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
  using Postings = OrderedPostings<int64_t>;
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
      if (std::find(after.keys.begin(), after.keys.end(), key) != after.keys.end()) continue;
      postings_.Remove(key, slot, after.keys);
    }
    for (const auto& key : after.keys) postings_.Add(key, slot);
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
    } else {
      if (!config().range) return false;
      postings_.ForEach(descending, [&](Key key, const SlotSet& slots) {
        const auto value = static_cast<double>(key);
        const bool before = start && (descending ? value > *start : value < *start);
        return before || visit(value, slots);
      });
      return true;
    }
  }

  uint64_t MemoryBytes() const override { return facts_.MemoryBytes() + postings_.MemoryBytes(); }

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
      const SlotSet* slots = postings_.Find(*lookup.key);
      if (slots != nullptr) (lookup.exact ? sure : maybe).push_back(slots);
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
      const auto& map = postings_.map();
      for (auto it = map.lower_bound(match.prefix);
           it != map.end() && it->first.starts_with(match.prefix); ++it) {
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
      for (const auto& [key, slots] : postings_.map()) {
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
      using Value = std::conditional_t<std::is_same_v<Bounds, Range>, double, int64_t>;
      const auto below = [&](Key key) {
        const auto value = static_cast<Value>(key);
        return (bounds.gte && value < *bounds.gte) || (bounds.gt && value <= *bounds.gt);
      };
      const auto above = [&](Key key) {
        const auto value = static_cast<Value>(key);
        return (bounds.lte && value > *bounds.lte) || (bounds.lt && value >= *bounds.lt);
      };
      IndexAnswer answer{postings_.Between(below, above), facts_.others};
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

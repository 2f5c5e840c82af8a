#include "engine/payload/text_index.h"

#include <algorithm>
#include <set>

#include "engine/payload/text_query.h"
#include "engine/payload/value_facts.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

constexpr uint32_t kGap = UINT32_MAX;  // Between two values: no phrase goes across.

Tokenizer MakeTokenizer(const TokenizerOptions& options) {
  auto tokenizer = Tokenizer::Create(options);
  ALMAGEST_CHECK(tokenizer.has_value());
  return *std::move(tokenizer);
}

}  // namespace

TextIndex::TextIndex(PayloadPath path, const PayloadIndexConfig& config)
    : PayloadIndex(std::move(path), config), tokenizer_(MakeTokenizer(config.text)) {}

TextIndex::Texts TextIndex::Split(std::string_view payload, ValueFacts* facts) const {
  Texts texts;
  *facts = ReadValues(payload, path(), [&](const JsonElement& element) {
    std::string_view text;
    if (element.get_string().get(text)) return false;
    texts.push_back(tokenizer_.Split(text, /*is_query=*/false));
    return true;
  });
  return texts;
}

void TextIndex::Update(Slot slot, std::string_view old_payload, std::string_view new_payload) {
  if (old_payload == new_payload) return;
  ValueFacts facts_before;
  ValueFacts facts_after;
  const Texts before = Split(old_payload, &facts_before);
  const Texts after = Split(new_payload, &facts_after);
  facts_.Enter(slot, facts_after);
  if (before == after) return;
  for (const auto& text : before) {
    for (const std::string& token : text) {
      const auto found = tokens_.find(token);
      if (found == tokens_.end()) continue;  // Met a moment ago: the token stood there twice.
      found->second.slots.Remove(slot);
      if (found->second.slots.empty()) tokens_.erase(found);
    }
  }
  order_.erase(slot);
  std::vector<uint32_t> numbers;
  for (const auto& text : after) {
    if (!numbers.empty()) numbers.push_back(kGap);
    for (const std::string& token : text) {
      const auto [found, is_new] = tokens_.try_emplace(token);
      if (is_new) found->second.number = next_number_++;
      found->second.slots.Add(slot);
      numbers.push_back(found->second.number);
    }
  }
  if (config().phrase_matching && !numbers.empty()) {
    numbers.shrink_to_fit();
    order_[slot] = std::move(numbers);
  }
}

SlotSet TextIndex::WithPhrase(const std::vector<std::string>& phrase,
                              const SlotSet& candidates) const {
  std::vector<uint32_t> numbers;
  for (const std::string& token : phrase) numbers.push_back(tokens_.at(token).number);
  SlotSet matching;
  candidates.ForEach([&](Slot slot) {
    const auto order = order_.find(slot);
    if (order == order_.end()) return;
    if (!std::ranges::search(order->second, numbers).empty()) matching.Add(slot);
  });
  return matching;
}

SlotSet TextIndex::Matching(const TextQuery& query) const {
  std::vector<const SlotSet*> sets;
  for (const std::string& token : std::set(query.tokens().begin(), query.tokens().end())) {
    const auto found = tokens_.find(token);
    if (found != tokens_.end()) {
      sets.push_back(&found->second.slots);
    } else if (query.mode() != TextMode::kAny) {
      return {};
    }
  }
  if (sets.empty()) return {};
  if (query.mode() == TextMode::kAny) return SlotSet::Union(sets);
  std::ranges::sort(sets, {}, [](const SlotSet* set) { return set->size(); });
  SlotSet all = *sets.front();
  for (const SlotSet* set : sets) all &= *set;
  return query.mode() == TextMode::kPhrase ? WithPhrase(query.tokens(), all) : all;
}

IndexAnswer TextIndex::Answer(const FieldCondition& condition) const {
  const auto* match = std::get_if<Match>(&condition.test);
  const auto* text = match != nullptr ? std::get_if<MatchText>(match) : nullptr;
  if (text != nullptr) {
    const auto query = TextQuery::Make(config(), *text);
    ALMAGEST_CHECK(query.has_value());  // The options made a tokenizer before.
    return {Matching(*query), {}};
  }
  // Strings may be what a match or a range of times looks for; numbers and points are others.
  const bool among_strings =
      match != nullptr || std::holds_alternative<DatetimeRange>(condition.test);
  return {{}, among_strings ? facts_.present : facts_.others};
}

uint64_t TextIndex::MemoryBytes() const {
  uint64_t bytes = facts_.MemoryBytes();
  for (const auto& [token, entry] : tokens_) {
    bytes += sizeof(Token) + entry.slots.MemoryBytes() + token.capacity() + 48;
  }
  for (const auto& [slot, order] : order_) bytes += order.capacity() * 4 + 48;
  return bytes;
}

}  // namespace almagest

// Payload index of full text: which slots hold which token, and (with phrase_matching) in which
// order. Inside engine/payload only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/payload/payload_index.h"
#include "engine/text/tokenizer.h"

namespace almagest {

class TextQuery;

// Answers match text, text_any and phrase exactly, and says for the other conditions which slots to
// read. `config` has been checked (ParsePayloadIndexConfig).
class TextIndex : public PayloadIndex {
 public:
  TextIndex(PayloadPath path, const PayloadIndexConfig& config);

  void Update(Slot slot, std::string_view old_payload, std::string_view new_payload) override;
  IndexAnswer Answer(const FieldCondition& condition) const override;
  bool VisitOrdered(bool, std::optional<double>,
                    const std::function<bool(double, const SlotSet&)>&) const override {
    return false;
  }
  uint64_t MemoryBytes() const override;

 private:
  struct Token {
    uint32_t number = 0;  // In `order_`.
    SlotSet slots;
  };
  // The texts of one payload, value by value.
  using Texts = std::vector<std::vector<std::string>>;

  Texts Split(std::string_view payload, ValueFacts* facts) const;
  SlotSet Matching(const TextQuery& query) const;
  SlotSet WithPhrase(const std::vector<std::string>& phrase, const SlotSet& candidates) const;

  const Tokenizer tokenizer_;  // Of the writer; a query makes its own.
  std::unordered_map<std::string, Token> tokens_;
  uint32_t next_number_ = 0;
  // Of every slot the numbers of its tokens in order, values parted by kGap.
  std::unordered_map<Slot, std::vector<uint32_t>> order_;
};

}  // namespace almagest

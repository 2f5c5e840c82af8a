// Collection's payload indexes: created and dropped while searches and writes go on.
#include <algorithm>
#include <thread>

#include "engine/collection/collection_state.h"
#include "engine/payload/payload_path.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

constexpr size_t kBatch = 1000;  // Payloads entered while writes wait: a few milliseconds.

// The next payloads from the slot `first` on; fewer than kBatch at the end.
Result<std::vector<PayloadIndexes::BuildEntry>> NextPayloads(const CollectionState& state,
                                                             Slot first) {
  std::vector<PayloadIndexes::BuildEntry> entries;
  Result<> readable;
  ALMAGEST_TRY_VOID(state.store.Scan(ColumnFamily::kPayload, PayloadKey(state.id, first),
                                     PrefixRange(CollectionRange(state.id).first).limit,
                                     [&](std::string_view key, std::string_view bytes) {
                                       const auto parts = ParsePayloadKey(key);
                                       if (!parts) return true;
                                       const auto payload = DecodePayload(bytes);
                                       if (!payload) {
                                         readable = Fail(payload.error());
                                         return false;
                                       }
                                       entries.push_back({parts->slot, std::string(*payload)});
                                       return entries.size() < kBatch;
                                     }));
  ALMAGEST_TRY_VOID(readable);
  return entries;
}

// Counts as an operation. Under writer_mutex.
Result<WriteResult> CountOperation(CollectionState& state) {
  SequenceRecord counters = state.counters;
  ChangeSet changes;
  changes.previous = counters.last_sequence++;
  WriteBatch batch;
  state.AddCounters(counters, changes, &batch);
  ALMAGEST_TRY_VOID(state.store.Write(batch, Durability::kProcess));
  state.TakeCounters(counters, changes);
  return WriteResult{counters.last_sequence};
}

void ForgetIndex(CollectionConfig& config, const PayloadPath& path) {
  std::erase_if(config.payload_indexes, [&](const auto& entry) {
    const auto other = PayloadPath::Parse(entry.first);
    return other && *other == path;
  });
}

}  // namespace

Result<> EnterPayloads(CollectionState& state, PayloadIndexes::BuildId build,
                       const std::atomic<bool>* stop) {
  Slot next = 0;
  while (stop == nullptr || !*stop) {
    {
      const std::lock_guard lock(state.writer_mutex);
      ALMAGEST_TRY(const auto entries, NextPayloads(state, next));
      const bool last = entries.size() < kBatch;
      next = last ? kNoSlot : entries.back().slot + 1;
      state.indexes.ContinueBuild(build, entries, next);
      if (last) return {};
    }
    std::this_thread::yield();
  }
  return {};
}

Result<WriteResult> Collection::CreatePayloadIndex(const std::string& key,
                                                   const PayloadIndexConfig& config) {
  State& state = *state_;
  ALMAGEST_TRY(const PayloadPath path, PayloadPath::Parse(key));
  if (state.indexes.ConfigAt(path) == config) {
    const std::lock_guard lock(state.writer_mutex);
    return CountOperation(state);
  }
  const auto build = state.indexes.BeginBuild(PayloadIndex::Make(path, config));
  if (auto entered = EnterPayloads(state, build, nullptr); !entered) {
    state.indexes.AbandonBuild(build);
    return Fail(std::move(entered).error());
  }
  const std::lock_guard lock(state.writer_mutex);
  auto result = CountOperation(state);
  if (!result) {
    state.indexes.AbandonBuild(build);
    return result;
  }
  state.indexes.FinishBuild(build);
  const std::unique_lock config_lock(state.config_mutex);
  ForgetIndex(state.config, path);
  state.config.payload_indexes[key] = config;
  return result;
}

Result<WriteResult> Collection::DropPayloadIndex(const std::string& key) {
  State& state = *state_;
  ALMAGEST_TRY(const PayloadPath path, PayloadPath::Parse(key));
  const std::lock_guard lock(state.writer_mutex);
  ALMAGEST_TRY(const WriteResult result, CountOperation(state));
  state.indexes.Drop(path);
  const std::unique_lock config_lock(state.config_mutex);
  ForgetIndex(state.config, path);
  return result;
}

}  // namespace almagest

#include "engine/collection/checkpoint.h"

#include <algorithm>
#include <random>

#include "storage/base/log.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

constexpr uint64_t kLoggedPointsMin = 20'000;
constexpr uint64_t kLoggedFraction = 8;
constexpr uint64_t kLoggedTermsMax = 2'000'000;

// Under writer_mutex: nothing changes meanwhile.
PointsFileContent TakeContent(const CollectionState& state) {
  PointsFileContent content;
  content.info.collection = state.id;
  content.info.sequence = state.counters.last_sequence;
  content.info.slot_count = state.counters.next_slot;
  std::random_device random;
  content.info.nonce = uint64_t{random()} << 32 | random();
  content.live = state.points.live();
  content.with_field = state.points.with_fields();
  content.live.Optimize();
  for (auto& [field, slots] : content.with_field) slots.Optimize();
  content.unsealed = state.points.SlotsInGrowing();
  for (const SegmentHandle& handle : state.segments) {
    if (!handle.sealed || handle.sealed->deleted_count() == 0) continue;
    std::vector<uint64_t>& words = content.deleted_words[handle.id()];
    const auto* source = handle.sealed->deleted_words();
    for (size_t word = 0; word < BitmapWords(handle.sealed->row_count()); ++word) {
      words.push_back(source[word].load(std::memory_order_relaxed));
    }
  }
  for (const auto& [field, statistics] : state.terms) {
    content.terms[field] = statistics.Counts();
    content.term_points[field] = statistics.points();
  }
  return content;
}

}  // namespace

bool CheckpointDue(const CollectionState& state) {
  const std::lock_guard lock(state.writer_mutex);
  return state.logged_points >= std::max(kLoggedPointsMin, state.points.size() / kLoggedFraction) ||
         state.logged_terms >= kLoggedTermsMax;
}

Result<bool> WriteCheckpoint(CollectionState& state, const std::function<bool()>& going_on) {
  PointsFileContent content;
  uint64_t logged_points = 0;
  uint64_t logged_terms = 0;
  {
    const std::lock_guard lock(state.writer_mutex);
    content = TakeContent(state);
    logged_points = state.logged_points;
    logged_terms = state.logged_terms;
  }
  CheckpointRecord record;
  record.sequence = content.info.sequence;
  record.nonce = content.info.nonce;
  record.file_name =
      "points-" + std::to_string(record.sequence) + "-" + std::to_string(record.nonce % 10'000);
  const auto path = state.directory / record.file_name;
  const auto read = [&](Slot first, std::span<StoredPoint> entries) {
    const std::shared_lock lock(state.points_mutex);
    for (size_t i = 0; i < entries.size(); ++i) {
      entries[i] = state.points.Stored(static_cast<Slot>(first + i));
    }
  };
  const auto written = WritePointsFile(path, content, read, going_on);
  if (!written && written.error().code == ErrorCode::kTimeout) return false;
  ALMAGEST_TRY_VOID(written);
  ALMAGEST_TRY(auto file, PointsFile::Open(path, state.id, record));
  std::string before;
  {
    const std::lock_guard lock(state.writer_mutex);
    WriteBatch batch;
    batch.Put(ColumnFamily::kMeta, CheckpointKey(state.id), EncodeRecord(record));
    batch.DeleteRange(ColumnFamily::kChanges, ChangeRange(state.id).first,
                      ChangeKey(state.id, record.sequence + 1));
    // A failed write keeps the file: whether the record reached the disk is unknown.
    ALMAGEST_TRY_VOID(state.store.Write(batch, Durability::kSync));
    before = std::exchange(state.checkpoint, record).file_name;
    state.logged_points -= logged_points;
    state.logged_terms -= logged_terms;
    const std::unique_lock points_lock(state.points_mutex);
    state.points.Rebase(std::move(file));
  }
  if (before.empty()) return true;
  std::error_code error;
  std::filesystem::remove(state.directory / before, error);
  if (error) LogWarning("cannot remove a replaced checkpoint: " + error.message());
  return true;
}

}  // namespace almagest

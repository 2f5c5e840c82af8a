// Feedback events at rest, and which training jobs saw them.
//
// Keys (storage/key_layout.h): kFeedback holds an event per id, from 1; id 0 is the header (next
// id and count), part of every batch that adds or deletes. kLearning/kReport holds one training
// record per job: which events it asked for, and the last one that existed when its data was read.
// Event ids are never given twice, so "event <= last event of the record", and the filter, say
// exactly whether the job could have seen it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/learning/feedback.h"
#include "storage/key_value_store.h"

namespace almagest {

inline constexpr uint64_t kFeedbackPageMax = 10'000;

// Thread-safe. Writes to one collection are applied one at a time.
class FeedbackStore {
 public:
  explicit FeedbackStore(KeyValueStore& store) : store_(store) {}

  // Writes validated events in one batch and returns their ids, ascending and consecutive.
  // kOutOfRange (naming the event by its place) when a text cannot be stored; nothing is written
  // then.
  Result<std::vector<uint64_t>> Append(uint32_t collection_id,
                                       std::span<const FeedbackEvent> events,
                                       Durability durability);

  // Events with id >= first_id that match, ascending; `next_id` where the next page starts.
  // kOutOfRange when limit is not 1..kFeedbackPageMax. Cost: decodes every event it passes.
  Result<FeedbackPage> List(uint32_t collection_id, const FeedbackFilter& filter, uint64_t first_id,
                            uint64_t limit) const;

  // nullopt where there is none (or none any more).
  Result<std::optional<FeedbackEvent>> Find(uint32_t collection_id, uint64_t id) const;

  // Deletes what matches and marks the training records of jobs that saw any of it, in one batch.
  // Returns how many were deleted.
  Result<uint64_t> Delete(uint32_t collection_id, const FeedbackFilter& filter, int64_t now_ms,
                          Durability durability);

  Result<uint64_t> Count(uint32_t collection_id) const;
  // The id of the newest event that there ever was; 0: none.
  Result<uint64_t> LastEvent(uint32_t collection_id) const;

  // What a training job may see: the events of `snapshot`. The record that a later deletion will
  // mark is durable before this returns.
  struct TrainingView {
    std::unique_ptr<StoreSnapshot> snapshot;
    uint64_t last_event = 0;
  };
  // The job learns from the events that match `filter` and no others.
  Result<TrainingView> BeginTraining(uint32_t collection_id, uint64_t job_number,
                                     const std::string& vector_name,
                                     const FeedbackFilter& filter = {});
  // For a job that left no version: there is nothing to mark any more.
  Result<> DropTrainingRecord(uint32_t collection_id, uint64_t job_number);
  // Numbers of the jobs that were trained on an event deleted since.
  Result<std::set<uint64_t>> TaintedJobs(uint32_t collection_id) const;

  // Visits all events in id order until `visit` returns false. Without a snapshot: as of now.
  Result<> Visit(uint32_t collection_id, uint64_t first_id, const StoreSnapshot* snapshot,
                 const std::function<bool(FeedbackEvent)>& visit) const;

  // Drops cached state; the records go with the collection's keys.
  void ForgetCollection(uint32_t collection_id);

 private:
  struct Header {
    uint64_t next_id = 1;
    uint64_t count = 0;
  };
  Result<Header> ReadHeader(uint32_t collection_id) const;
  static void PutHeader(uint32_t collection_id, const Header& header, WriteBatch* batch);
  // The lock of one collection's writes.
  std::shared_ptr<std::mutex> WriterOf(uint32_t collection_id);
  struct TrainingRecord;
  // Those that are not tainted, by their keys.
  Result<std::map<std::string, TrainingRecord>> SoundTrainings(uint32_t collection_id) const;

  KeyValueStore& store_;
  std::mutex writers_mutex_;
  std::map<uint32_t, std::shared_ptr<std::mutex>> writers_;
};

}  // namespace almagest

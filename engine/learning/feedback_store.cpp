#include "engine/learning/feedback_store.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/learning/feedback_codec.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kHeaderFormat = 100;    // Events count from 1 (feedback_codec.cpp).
constexpr uint32_t kTrainingFormat = 200;  // Jobs count from 1 (job_codec.cpp).
constexpr uint64_t kHeaderId = 0;

}  // namespace

struct FeedbackStore::TrainingRecord {
  std::string vector_name;
  uint64_t last_event = 0;
  int64_t tainted_at_ms = 0;  // 0: not tainted.
  FeedbackFilter filter;

  bool HasSeen(const FeedbackEvent& event) const {
    return event.id <= last_event && event.vector_name == vector_name &&
           MatchesFilter(event, filter);
  }
  std::string Encode() const {
    JobRecord record;
    record.kind = kTrainingFormat;
    record.body = Json{{"vector", vector_name},
                       {"last_event", last_event},
                       {"tainted_at_ms", tainted_at_ms},
                       {"feedback", EncodeFilter(filter)}}
                      .dump();
    return EncodeRecord(record);
  }
  static Result<TrainingRecord> Decode(std::string_view bytes) {
    ALMAGEST_TRY(const auto record, DecodeRecord<JobRecord>(bytes));
    const Json body = Json::parse(record.body, nullptr, false);
    TrainingRecord training;
    std::string filter;
    try {
      training.vector_name = body.at("vector").get<std::string>();
      training.last_event = body.at("last_event").get<uint64_t>();
      training.tainted_at_ms = body.at("tainted_at_ms").get<int64_t>();
      filter = body.value("feedback", "{}");  // Earlier jobs asked for all.
    } catch (const Json::exception& error) {
      return Fail(ErrorCode::kCorruption,
                  std::string("a training record cannot be read: ") + error.what());
    }
    ALMAGEST_TRY(training.filter, DecodeFilter(filter));
    return training;
  }
};

std::shared_ptr<std::mutex> FeedbackStore::WriterOf(uint32_t collection_id) {
  const std::lock_guard lock(writers_mutex_);
  auto& writer = writers_[collection_id];
  if (writer == nullptr) writer = std::make_shared<std::mutex>();
  return writer;
}

void FeedbackStore::ForgetCollection(uint32_t collection_id) {
  const std::lock_guard lock(writers_mutex_);
  writers_.erase(collection_id);
}

Result<FeedbackStore::Header> FeedbackStore::ReadHeader(uint32_t collection_id) const {
  ALMAGEST_TRY(const auto bytes,
               store_.Get(ColumnFamily::kFeedback, FeedbackKey(collection_id, kHeaderId)));
  if (!bytes) return Header{};
  ALMAGEST_TRY(const auto record, DecodeRecord<FeedbackRecord>(*bytes));
  const Json body = Json::parse(record.body, nullptr, false);
  if (record.kind != kHeaderFormat || !body.is_object() || !body.contains("next_id") ||
      !body.contains("count") || !body["next_id"].is_number_unsigned() ||
      !body["count"].is_number_unsigned()) {
    return Fail(ErrorCode::kCorruption, "the header of the feedback records cannot be read");
  }
  return Header{body["next_id"].get<uint64_t>(), body["count"].get<uint64_t>()};
}

void FeedbackStore::PutHeader(uint32_t collection_id, const Header& header, WriteBatch* batch) {
  FeedbackRecord record;
  record.kind = kHeaderFormat;
  record.body = Json{{"next_id", header.next_id}, {"count", header.count}}.dump();
  batch->Put(ColumnFamily::kFeedback, FeedbackKey(collection_id, kHeaderId), EncodeRecord(record));
}

Result<std::vector<uint64_t>> FeedbackStore::Append(uint32_t collection_id,
                                                    std::span<const FeedbackEvent> events,
                                                    Durability durability) {
  std::vector<std::string> values;
  for (size_t i = 0; i < events.size(); ++i) {
    auto encoded = EncodeFeedback(events[i]);
    if (!encoded) {
      return Fail(encoded.error().code,
                  "events[" + std::to_string(i) + "]: " + encoded.error().message);
    }
    values.push_back(std::move(*encoded));
  }
  if (values.empty()) return std::vector<uint64_t>{};
  const auto writer = WriterOf(collection_id);
  const std::lock_guard lock(*writer);
  ALMAGEST_TRY(Header header, ReadHeader(collection_id));
  WriteBatch batch;
  std::vector<uint64_t> ids;
  for (std::string& value : values) {
    ids.push_back(header.next_id++);
    batch.Put(ColumnFamily::kFeedback, FeedbackKey(collection_id, ids.back()), std::move(value));
  }
  header.count += ids.size();
  PutHeader(collection_id, header, &batch);
  ALMAGEST_TRY_VOID(store_.Write(batch, durability));
  return ids;
}

Result<> FeedbackStore::Visit(uint32_t collection_id, uint64_t first_id,
                              const StoreSnapshot* snapshot,
                              const std::function<bool(FeedbackEvent)>& visit) const {
  const KeyRange range = FeedbackRange(collection_id, std::max<uint64_t>(first_id, kHeaderId + 1));
  Result<> outcome;
  ALMAGEST_TRY_VOID(store_.Scan(
      ColumnFamily::kFeedback, range.first, range.limit,
      [&](std::string_view key, std::string_view value) {
        const auto parts = ParseFeedbackKey(key);
        if (!parts) {
          outcome = Fail(ErrorCode::kCorruption, "a feedback key cannot be read");
          return false;
        }
        auto event = DecodeFeedback(parts->event, value);
        if (!event) {
          outcome = Fail(std::move(event).error());
          return false;
        }
        return visit(std::move(*event));
      },
      snapshot));
  return outcome;
}

Result<FeedbackPage> FeedbackStore::List(uint32_t collection_id, const FeedbackFilter& filter,
                                         uint64_t first_id, uint64_t limit) const {
  if (limit < 1 || limit > kFeedbackPageMax) {
    return Fail(ErrorCode::kOutOfRange, "limit is " + std::to_string(limit) +
                                            ", it must be from 1 to " +
                                            std::to_string(kFeedbackPageMax));
  }
  FeedbackPage page;
  ALMAGEST_TRY_VOID(Visit(collection_id, first_id, nullptr, [&](FeedbackEvent event) {
    if (!MatchesFilter(event, filter)) return true;
    if (page.events.size() == limit) {
      page.next_id = event.id;
      return false;
    }
    page.events.push_back(std::move(event));
    return true;
  }));
  return page;
}

Result<std::optional<FeedbackEvent>> FeedbackStore::Find(uint32_t collection_id,
                                                         uint64_t id) const {
  if (id == kHeaderId) return std::optional<FeedbackEvent>();
  ALMAGEST_TRY(const auto bytes,
               store_.Get(ColumnFamily::kFeedback, FeedbackKey(collection_id, id)));
  if (!bytes) return std::optional<FeedbackEvent>();
  ALMAGEST_TRY(FeedbackEvent event, DecodeFeedback(id, *bytes));
  return std::optional(std::move(event));
}

Result<std::map<std::string, FeedbackStore::TrainingRecord>> FeedbackStore::SoundTrainings(
    uint32_t collection_id) const {
  const KeyRange range = LearningRange(collection_id, LearningKind::kReport);
  std::map<std::string, TrainingRecord> sound;
  Result<> outcome;
  ALMAGEST_TRY_VOID(store_.Scan(ColumnFamily::kLearning, range.first, range.limit,
                                [&](std::string_view key, std::string_view value) {
                                  auto training = TrainingRecord::Decode(value);
                                  if (!training) {
                                    outcome = Fail(std::move(training).error());
                                    return false;
                                  }
                                  if (training->tainted_at_ms == 0)
                                    sound.emplace(key, *std::move(training));
                                  return true;
                                }));
  if (!outcome) return Fail(outcome.error());
  return sound;
}

Result<uint64_t> FeedbackStore::Delete(uint32_t collection_id, const FeedbackFilter& filter,
                                       int64_t now_ms, Durability durability) {
  const auto writer = WriterOf(collection_id);
  const std::lock_guard lock(*writer);
  ALMAGEST_TRY(Header header, ReadHeader(collection_id));
  ALMAGEST_TRY(auto sound, SoundTrainings(collection_id));
  WriteBatch batch;
  uint64_t deleted = 0;
  ALMAGEST_TRY_VOID(Visit(collection_id, 1, nullptr, [&](const FeedbackEvent& event) {
    if (!MatchesFilter(event, filter)) return true;
    batch.Delete(ColumnFamily::kFeedback, FeedbackKey(collection_id, event.id));
    ++deleted;
    for (auto at = sound.begin(); at != sound.end();) {
      if (!at->second.HasSeen(event)) {
        ++at;
        continue;
      }
      at->second.tainted_at_ms = now_ms;
      batch.Put(ColumnFamily::kLearning, at->first, at->second.Encode());
      at = sound.erase(at);
    }
    return true;
  }));
  if (deleted == 0) return 0;
  header.count -= std::min(header.count, deleted);
  PutHeader(collection_id, header, &batch);
  ALMAGEST_TRY_VOID(store_.Write(batch, durability));
  return deleted;
}

Result<uint64_t> FeedbackStore::Count(uint32_t collection_id) const {
  ALMAGEST_TRY(const Header header, ReadHeader(collection_id));
  return header.count;
}

Result<uint64_t> FeedbackStore::LastEvent(uint32_t collection_id) const {
  ALMAGEST_TRY(const Header header, ReadHeader(collection_id));
  return header.next_id - 1;
}

Result<FeedbackStore::TrainingView> FeedbackStore::BeginTraining(uint32_t collection_id,
                                                                 uint64_t job_number,
                                                                 const std::string& vector_name,
                                                                 const FeedbackFilter& filter) {
  const auto writer = WriterOf(collection_id);
  const std::lock_guard lock(*writer);
  ALMAGEST_TRY(const Header header, ReadHeader(collection_id));
  TrainingView view;
  view.last_event = header.next_id - 1;
  WriteBatch batch;
  batch.Put(ColumnFamily::kLearning, LearningKey(collection_id, LearningKind::kReport, job_number),
            TrainingRecord{vector_name, view.last_event, 0, filter}.Encode());
  ALMAGEST_TRY_VOID(store_.Write(batch, Durability::kSync));
  view.snapshot = store_.Snapshot();
  return view;
}

Result<> FeedbackStore::DropTrainingRecord(uint32_t collection_id, uint64_t job_number) {
  const auto writer = WriterOf(collection_id);
  const std::lock_guard lock(*writer);
  WriteBatch batch;
  batch.Delete(ColumnFamily::kLearning,
               LearningKey(collection_id, LearningKind::kReport, job_number));
  return store_.Write(batch, Durability::kProcess);
}

Result<std::set<uint64_t>> FeedbackStore::TaintedJobs(uint32_t collection_id) const {
  const KeyRange range = LearningRange(collection_id, LearningKind::kReport);
  std::set<uint64_t> tainted;
  Result<> outcome;
  ALMAGEST_TRY_VOID(store_.Scan(ColumnFamily::kLearning, range.first, range.limit,
                                [&](std::string_view key, std::string_view value) {
                                  const auto parts = ParseLearningKey(key);
                                  auto training = TrainingRecord::Decode(value);
                                  if (!parts || !training) {
                                    outcome = Fail(ErrorCode::kCorruption,
                                                   "a training record cannot be read");
                                    return false;
                                  }
                                  if (training->tainted_at_ms != 0) tainted.insert(parts->number);
                                  return true;
                                }));
  if (!outcome) return Fail(outcome.error());
  return tainted;
}

}  // namespace almagest

// Database's changes of the catalog: collections come, change and go, each by one atomic write.
#include <chrono>
#include <thread>

#include "engine/database_state.h"
#include "storage/base/log.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

// How long a drop waits for requests that still use the collection.
constexpr std::chrono::seconds kDropWaitMax{60};

int64_t MicrosecondsNow() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Result<WriteResult> Database::State::ChangeVectors(
    const std::string& name,
    const std::function<Result<WriteResult>(Collection&, const Collection::PersistConfig&)>&
        change) {
  const std::lock_guard lock(catalog_mutex);
  ALMAGEST_TRY(const auto collection, Find(name));
  ALMAGEST_TRY(CatalogRecord record, Record(name));
  ALMAGEST_TRY(const WriteResult result,
               change(*collection, [&](const CollectionConfig& changed, WriteBatch* batch) {
                 record.config = ConfigToJson(changed);
                 batch->Put(ColumnFamily::kMeta, CatalogKey(record.id), EncodeRecord(record));
               }));
  const std::unique_lock entries_lock(entries_mutex);
  const std::string own_name = record.name;
  entries.at(own_name).record = std::move(record);
  return result;
}

Result<> Database::State::PersistConfig(const std::string& name, const Collection& collection) {
  ALMAGEST_TRY(CatalogRecord record, Record(name));
  record.config = ConfigToJson(collection.config());
  WriteBatch batch;
  batch.Put(ColumnFamily::kMeta, CatalogKey(record.id), EncodeRecord(record));
  ALMAGEST_TRY_VOID(store->Write(batch, Durability::kSync));
  const std::unique_lock lock(entries_mutex);
  const std::string own_name = record.name;
  entries.at(own_name).record = std::move(record);
  return {};
}

Result<CollectionId> Database::State::NextCollectionId() {
  CounterRecord counter;
  ALMAGEST_TRY(const auto stored, store->Get(ColumnFamily::kMeta, NextCollectionIdKey()));
  if (stored) {
    ALMAGEST_TRY(counter, DecodeRecord<CounterRecord>(*stored));
  }
  const auto id = static_cast<CollectionId>(counter.next++);
  WriteBatch batch;
  batch.Put(ColumnFamily::kMeta, NextCollectionIdKey(), EncodeRecord(counter));
  ALMAGEST_TRY_VOID(store->Write(batch, Durability::kProcess));
  return id;
}

Result<> Database::State::AwaitLastUser(const std::shared_ptr<Collection>& collection,
                                        const std::string& name, std::chrono::seconds wait_max,
                                        long own_references) {
  const auto give_up = std::chrono::steady_clock::now() + wait_max;
  while (collection && collection.use_count() > own_references) {
    if (std::chrono::steady_clock::now() > give_up) {
      return Fail(ErrorCode::kUnavailable, "collection `" + name + "` is still in use; try again");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return {};
}

Result<> Database::CreateCollection(const std::string& name, const CollectionConfig& config) {
  State& state = *state_;
  ALMAGEST_TRY_VOID(ValidateCollectionName(name));
  ALMAGEST_TRY_VOID(ValidateConfig(config));
  const std::lock_guard lock(state.catalog_mutex);
  if (state.aliases->Resolve(name)) {
    return Fail(ErrorCode::kInvalidArgument, "Can't create collection with name " + name +
                                                 ". Alias with the same name already exists");
  }
  if (state.Record(name)) {
    return Fail(ErrorCode::kAlreadyExists, "Collection `" + name + "` already exists!");
  }
  State::Entry entry;
  ALMAGEST_TRY(entry.record.id, state.NextCollectionId());
  entry.record.name = name;
  entry.record.config = ConfigToJson(config);
  entry.record.created_at_micros = MicrosecondsNow();
  ALMAGEST_TRY(entry.collection, Collection::Open(entry.record.id, name, config, *state.store,
                                                  state.CollectionDirectory(entry.record.id)));
  WriteBatch batch;
  batch.Put(ColumnFamily::kMeta, CatalogKey(entry.record.id), EncodeRecord(entry.record));
  if (auto written = state.store->Write(batch, Durability::kSync); !written) {
    if (auto removed = entry.collection->RemoveFiles(); !removed) {
      LogWarning(removed.error().message);
    }
    return written;
  }
  const std::unique_lock entries_lock(state.entries_mutex);
  state.entries[name] = std::move(entry);
  return {};
}

Result<bool> Database::DropCollection(const std::string& name) {
  State& state = *state_;
  const std::lock_guard lock(state.catalog_mutex);
  State::Entry entry;
  {
    // From now on nobody finds it; those who have it may finish.
    const std::unique_lock entries_lock(state.entries_mutex);
    const auto found = state.entries.find(name);
    if (found == state.entries.end()) return false;
    entry = std::move(found->second);
    state.entries.erase(found);
  }
  const CollectionId id = entry.record.id;
  const auto put_back = [&] {
    const std::unique_lock entries_lock(state.entries_mutex);
    state.entries[name] = std::move(entry);
    if (state.optimizer) state.optimizer->Release(id);
  };
  if (state.optimizer) state.optimizer->Exclude(id);
  if (auto alone = State::AwaitLastUser(entry.collection, name, kDropWaitMax); !alone) {
    put_back();
    return Fail(alone.error());
  }
  WriteBatch batch;
  AddCollectionRemoval(id, &batch);
  state.aliases->AddRemoval(id, &batch);
  if (auto written = state.store->Write(batch, Durability::kSync); !written) {
    put_back();
    return Fail(written.error());
  }
  state.aliases->Forget(id);
  state.learning->ForgetCollection(id);
  entry.collection.reset();
  std::error_code error;
  std::filesystem::remove_all(state.CollectionDirectory(id), error);
  if (error)
    LogWarning("files of the dropped collection stay until the next start: " + error.message());
  if (state.optimizer) state.optimizer->Release(id);
  return true;
}

Result<> Database::UpdateCollection(const std::string& name,
                                    const std::function<Result<>(CollectionConfig&)>& change) {
  const std::lock_guard lock(state_->catalog_mutex);
  ALMAGEST_TRY(const auto collection, state_->Find(name));
  const CollectionConfig before = collection->config();
  ALMAGEST_TRY_VOID(collection->UpdateConfig(change));
  auto persisted = state_->PersistConfig(name, *collection);
  if (persisted) return {};
  const auto restored = collection->UpdateConfig([&](CollectionConfig& config) -> Result<> {
    config = before;
    return {};
  });
  if (!restored) LogError(restored.error().message);
  return persisted;
}

Result<WriteResult> Database::AddVector(const std::string& name, const std::string& vector_name,
                                        const Collection::NewVector& added) {
  return state_->ChangeVectors(name, [&](Collection& collection, const auto& persist) {
    return collection.AddVector(vector_name, added, persist);
  });
}

Result<WriteResult> Database::RemoveVector(const std::string& name,
                                           const std::string& vector_name) {
  return state_->ChangeVectors(name, [&](Collection& collection, const auto& persist) {
    return collection.RemoveVector(vector_name, persist);
  });
}

Result<WriteResult> Database::CreatePayloadIndex(const std::string& name, const std::string& key,
                                                 const PayloadIndexConfig& config) {
  ALMAGEST_TRY(const auto collection, state_->Find(name));
  // Takes as long as the payloads are many: nothing else waits for it.
  ALMAGEST_TRY(const WriteResult result, collection->CreatePayloadIndex(key, config));
  const std::lock_guard lock(state_->catalog_mutex);
  ALMAGEST_TRY(const auto still, state_->Find(name));
  if (still != collection) {
    return Fail(ErrorCode::kNotFound,
                "Collection `" + name + "` was dropped while the index was built");
  }
  if (auto persisted = state_->PersistConfig(name, *collection); !persisted) {
    return Fail(persisted.error());
  }
  return result;
}

Result<WriteResult> Database::DropPayloadIndex(const std::string& name, const std::string& key) {
  const std::lock_guard lock(state_->catalog_mutex);
  ALMAGEST_TRY(const auto collection, state_->Find(name));
  ALMAGEST_TRY(const WriteResult result, collection->DropPayloadIndex(key));
  if (auto persisted = state_->PersistConfig(name, *collection); !persisted) {
    return Fail(persisted.error());
  }
  return result;
}

}  // namespace almagest

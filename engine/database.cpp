#include "engine/database.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "engine/collection/optimizer_thread.h"
#include "storage/base/log.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_store.h"

namespace almagest {
namespace {

// How long a drop waits for requests that still use the collection.
constexpr std::chrono::seconds kDropWaitMax{60};

int64_t MicrosecondsNow() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Error NoSuchCollection(const std::string& name) {
  return {ErrorCode::kNotFound, "Collection `" + name + "` doesn't exist!"};
}

}  // namespace

struct Database::State {
  struct Entry {
    CatalogRecord record;
    std::shared_ptr<Collection> collection;  // nullptr: quarantined, for `reason`.
    std::string reason;
  };

  DatabaseOptions options;
  std::unique_ptr<KeyValueStore> store;
  std::mutex catalog_mutex;                 // One change of the catalog at a time.
  mutable std::shared_mutex entries_mutex;  // For `entries` only; taken after catalog_mutex.
  std::map<std::string, Entry> entries;
  std::unique_ptr<AliasTable> aliases;
  std::unique_ptr<TextModels> text_models;
  // Destroyed in the reverse order: the optimizer first, then jobs, then collections, the store.
  std::unique_ptr<Learning> learning;
  std::unique_ptr<OptimizerThread> optimizer;

  std::filesystem::path CollectionDirectory(CollectionId id) const {
    return options.data_directory / "collections" / std::to_string(id);
  }
  Result<> LoadCatalog();
  void RemoveUnknownDirectories() const;
  // The entry that a collection's name or an alias leads to; end() if there is none. The caller
  // holds entries_mutex.
  std::map<std::string, Entry>::const_iterator Locate(const std::string& name) const;
  Result<std::shared_ptr<Collection>> Find(const std::string& name) const;
  Result<CatalogRecord> Record(const std::string& name) const;
  std::vector<std::shared_ptr<Collection>> Collections() const;
  // Makes the collection's present config the stored one.
  Result<> PersistConfig(const std::string& name, const Collection& collection);
};

Result<> Database::State::LoadCatalog() {
  const KeyRange range = CatalogRange();
  std::vector<CatalogRecord> records;
  ALMAGEST_TRY_VOID(store->Scan(ColumnFamily::kMeta, range.first, range.limit,
                                [&](std::string_view key, std::string_view value) {
                                  auto record = DecodeRecord<CatalogRecord>(value);
                                  if (!record) {
                                    const auto id = ParseCatalogKey(key).value_or(0);
                                    record = CatalogRecord();
                                    record->id = id;
                                    record->name = "damaged-" + std::to_string(id);
                                  }
                                  records.push_back(std::move(*record));
                                  return true;
                                }));
  for (CatalogRecord& record : records) {
    Entry entry;
    const auto opened = [&]() -> Result<std::unique_ptr<Collection>> {
      ALMAGEST_TRY(auto config, ConfigFromJson(record.config));
      return Collection::Open(record.id, record.name, std::move(config), *store,
                              CollectionDirectory(record.id));
    };
    if (auto collection = opened()) {
      entry.collection = std::move(*collection);
    } else {
      entry.reason = collection.error().message;
      LogError("collection '" + record.name + "' is quarantined: " + entry.reason);
    }
    entry.record = std::move(record);
    const std::string name = entry.record.name;
    entries[name] = std::move(entry);
  }
  RemoveUnknownDirectories();
  return {};
}

// Left by a crash after a collection was dropped from the catalog and before its files were gone.
void Database::State::RemoveUnknownDirectories() const {
  std::error_code error;
  for (const auto& file :
       std::filesystem::directory_iterator(options.data_directory / "collections", error)) {
    const std::string directory = file.path().filename().string();
    const bool known = std::ranges::any_of(entries, [&](const auto& entry) {
      return std::to_string(entry.second.record.id) == directory;
    });
    if (!known) std::filesystem::remove_all(file.path(), error);
  }
}

std::map<std::string, Database::State::Entry>::const_iterator Database::State::Locate(
    const std::string& name) const {
  const auto found = entries.find(name);
  if (found != entries.end()) return found;
  const auto id = aliases->Resolve(name);
  if (!id) return entries.end();
  return std::ranges::find_if(entries,
                              [&](const auto& entry) { return entry.second.record.id == *id; });
}

Result<std::shared_ptr<Collection>> Database::State::Find(const std::string& name) const {
  const std::shared_lock lock(entries_mutex);
  const auto found = Locate(name);
  if (found == entries.end()) return Fail(NoSuchCollection(name));
  if (found->second.collection == nullptr) {
    return Fail(ErrorCode::kUnavailable,
                "collection `" + name + "` is quarantined: " + found->second.reason);
  }
  return found->second.collection;
}

Result<CatalogRecord> Database::State::Record(const std::string& name) const {
  const std::shared_lock lock(entries_mutex);
  const auto found = Locate(name);
  if (found == entries.end()) return Fail(NoSuchCollection(name));
  return found->second.record;
}

std::vector<std::shared_ptr<Collection>> Database::State::Collections() const {
  const std::shared_lock lock(entries_mutex);
  std::vector<std::shared_ptr<Collection>> collections;
  for (const auto& [name, entry] : entries) {
    if (entry.collection) collections.push_back(entry.collection);
  }
  return collections;
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

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Database>> Database::Open(const DatabaseOptions& options) {
  auto state = std::make_unique<State>();
  State* const raw = state.get();
  state->options = options;
  std::error_code error;
  std::filesystem::create_directories(options.data_directory / "collections", error);
  if (error) {
    return Fail(ErrorCode::kFailedPrecondition, "cannot create the data folder " +
                                                    options.data_directory.string() + ": " +
                                                    error.message());
  }
  RocksDbOptions store_options;
  store_options.block_cache_bytes = options.block_cache_bytes;
  ALMAGEST_TRY(state->store, OpenRocksDbStore(options.data_directory / "store", store_options));
  state->aliases = std::make_unique<AliasTable>(*state->store);
  ALMAGEST_TRY_VOID(state->aliases->Load());
  ALMAGEST_TRY_VOID(state->LoadCatalog());
  state->text_models = std::make_unique<TextModels>(options.model_directory);
  Learning::Options learning;
  learning.jobs_directory = options.data_directory / "jobs";
  learning.trainer_executable = options.trainer_executable;
  learning.trainer_threads = options.trainer_threads;
  learning.find_collection = [raw](const std::string& name) { return raw->Find(name); };
  ALMAGEST_TRY(state->learning, Learning::Open(*state->store, std::move(learning)));
  if (options.optimizer_enabled) {
    state->optimizer = std::make_unique<OptimizerThread>([raw] { return raw->Collections(); },
                                                         options.optimizer_cpu_share);
  }
  return std::unique_ptr<Database>(new Database(std::move(state)));
}

Database::~Database() {
  state_->optimizer.reset();
  state_->learning.reset();
  if (const auto synced = state_->store->Sync(); !synced) {
    LogError("the last sync failed: " + synced.error().message);
  }
  state_->entries.clear();
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
  CounterRecord counter;
  ALMAGEST_TRY(const auto stored, state.store->Get(ColumnFamily::kMeta, NextCollectionIdKey()));
  if (stored) {
    ALMAGEST_TRY(counter, DecodeRecord<CounterRecord>(*stored));
  }
  State::Entry entry;
  entry.record.id = static_cast<CollectionId>(counter.next++);
  entry.record.name = name;
  entry.record.config = ConfigToJson(config);
  entry.record.created_at_micros = MicrosecondsNow();
  ALMAGEST_TRY(entry.collection, Collection::Open(entry.record.id, name, config, *state.store,
                                                  state.CollectionDirectory(entry.record.id)));
  WriteBatch batch;
  batch.Put(ColumnFamily::kMeta, NextCollectionIdKey(), EncodeRecord(counter));
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
  state.learning->ForgetCollection(id);
  const auto give_up = std::chrono::steady_clock::now() + kDropWaitMax;
  while (entry.collection.use_count() > 1) {
    if (std::chrono::steady_clock::now() > give_up) {
      put_back();
      return Fail(ErrorCode::kUnavailable, "collection `" + name + "` is still in use; try again");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  WriteBatch batch;
  AddCollectionRemoval(id, &batch);
  state.aliases->AddRemoval(id, &batch);
  if (auto written = state.store->Write(batch, Durability::kSync); !written) {
    put_back();
    return Fail(written.error());
  }
  state.aliases->Forget(id);
  entry.collection.reset();
  std::error_code error;
  std::filesystem::remove_all(state.CollectionDirectory(id), error);
  if (error)
    LogWarning("files of the dropped collection stay until the next start: " + error.message());
  if (state.optimizer) state.optimizer->Release(id);
  return true;
}

Result<std::shared_ptr<Collection>> Database::FindCollection(const std::string& name) const {
  if (state_->optimizer) state_->optimizer->NoteRequest();
  return state_->Find(name);
}

std::vector<std::string> Database::CollectionNames() const {
  const std::shared_lock lock(state_->entries_mutex);
  std::vector<std::string> names;
  for (const auto& [name, entry] : state_->entries) names.push_back(name);
  return names;
}

Result<> Database::ChangeAliases(std::span<const AliasChange> changes) {
  State& state = *state_;
  const std::lock_guard lock(state.catalog_mutex);
  return state.aliases->Apply(changes, [&](const std::string& name) -> std::optional<CollectionId> {
    const std::shared_lock entries_lock(state.entries_mutex);
    const auto found = state.entries.find(name);
    if (found == state.entries.end()) return std::nullopt;
    return found->second.record.id;
  });
}

std::map<std::string, std::string> Database::Aliases() const {
  std::map<std::string, std::string> names;
  const std::shared_lock lock(state_->entries_mutex);
  for (const auto& [alias, id] : state_->aliases->All()) {
    for (const auto& [name, entry] : state_->entries) {
      if (entry.record.id == id) names[alias] = name;
    }
  }
  return names;
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

Result<WriteResult> Database::CreatePayloadIndex(const std::string& name, const std::string& key,
                                                 PayloadIndexType type) {
  const std::lock_guard lock(state_->catalog_mutex);
  ALMAGEST_TRY(const auto collection, state_->Find(name));
  ALMAGEST_TRY(const WriteResult result, collection->CreatePayloadIndex(key, type));
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

Learning& Database::learning() { return *state_->learning; }
TextModels& Database::text_models() { return *state_->text_models; }
const DatabaseOptions& Database::options() const { return state_->options; }

Database::MemoryReport Database::Memory() const {
  MemoryReport report;
  report.store_bytes = state_->store->MemoryBytes();
  for (const auto& collection : state_->Collections()) {
    const auto view = collection->view();
    for (const auto& segment : view->segments) {
      report.segment_bytes += segment->bytes_in_memory();
      report.mapped_bytes += segment->bytes_on_disk();
    }
  }
  return report;
}

}  // namespace almagest

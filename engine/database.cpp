#include "engine/database.h"

#include <algorithm>
#include <charconv>
#include <mutex>
#include <shared_mutex>

#include "engine/database_state.h"
#include "storage/base/log.h"
#include "storage/base/memory_limit.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_store.h"

namespace almagest {

namespace {

// How long a request waits for a collection that is being replaced.
constexpr std::chrono::seconds kSwitchWaitMax{5};

}  // namespace

Error NoSuchCollection(const std::string& name) {
  return {ErrorCode::kNotFound, "Collection `" + name + "` doesn't exist!"};
}

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
  RemoveUnknownCollections();
  return {};
}

// Left by a crash: a collection dropped from the catalog whose files are not gone yet, or one that
// was being recovered and has not come into the catalog.
void Database::State::RemoveUnknownCollections() const {
  std::error_code error;
  for (const auto& file :
       std::filesystem::directory_iterator(options.data_directory / "collections", error)) {
    const std::string directory = file.path().filename().string();
    const bool known = std::ranges::any_of(entries, [&](const auto& entry) {
      return std::to_string(entry.second.record.id) == directory;
    });
    if (known) continue;
    CollectionId id = 0;
    const auto parsed =
        std::from_chars(directory.data(), directory.data() + directory.size(), id);
    if (parsed.ec == std::errc() && id != 0) {
      WriteBatch batch;
      AddCollectionRemoval(id, &batch);
      if (auto written = store->Write(batch, Durability::kSync); !written) {
        LogWarning("what is left of collection " + directory + " stays: " +
                   written.error().message);
        continue;
      }
    }
    std::filesystem::remove_all(file.path(), error);
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
  std::shared_lock lock(entries_mutex);
  auto found = Locate(name);
  switched.wait_for(lock, kSwitchWaitMax, [&] {
    found = Locate(name);
    return found == entries.end() || !found->second.switching;
  });
  if (found == entries.end()) return Fail(NoSuchCollection(name));
  if (found->second.switching) {
    return Fail(ErrorCode::kUnavailable,
                "collection `" + name + "` is being replaced by a snapshot; try again");
  }
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
  SetMemoryLimit(options.memory_limit_bytes);
  if (options.memory_limit_bytes > 0) {
    const size_t share = options.memory_limit_bytes / 8;
    store_options.block_cache_bytes = std::min(store_options.block_cache_bytes, share);
    store_options.total_write_buffer_bytes =
        std::min(store_options.total_write_buffer_bytes, share);
    store_options.write_buffer_bytes = std::min(store_options.write_buffer_bytes, share / 2);
  }
  ALMAGEST_TRY(state->store, OpenRocksDbStore(options.data_directory / "store", store_options));
  const auto snapshots = options.data_directory / "snapshots";
  ALMAGEST_TRY_VOID(SnapshotFolder::Prepare(snapshots));
  state->snapshots = std::make_unique<SnapshotFolder>(snapshots);
  state->aliases = std::make_unique<AliasTable>(*state->store);
  ALMAGEST_TRY_VOID(state->aliases->Load());
  ALMAGEST_TRY_VOID(state->LoadCatalog());
  state->text_models = std::make_unique<TextModels>(options.model_directory);
  Learning::Options learning;
  learning.jobs_directory = options.data_directory / "jobs";
  learning.trainer_executable = options.trainer_executable;
  learning.trainer_threads = options.trainer_threads;
  learning.find_collection = [raw](const std::string& name) { return raw->Find(name); };
  learning.collections = [raw] { return raw->Collections(); };
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

Result<std::shared_ptr<Collection>> Database::FindCollection(const std::string& name) const {
  if (state_->optimizer) state_->optimizer->NoteRequest();
  return state_->Find(name);
}

std::shared_ptr<Collection> Database::FindCollectionAtOnce(const std::string& name) const {
  if (state_->optimizer) state_->optimizer->NoteRequest();
  const std::shared_lock lock(state_->entries_mutex);
  const auto found = state_->Locate(name);
  if (found == state_->entries.end() || found->second.switching) return nullptr;
  return found->second.collection;
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

Learning& Database::learning() { return *state_->learning; }
SnapshotFolder& Database::snapshots() { return *state_->snapshots; }
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

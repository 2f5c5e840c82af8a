// Database's snapshots: written from a fixed view of the store, and put in the place of what is
// there.
#include <algorithm>

#include "engine/database_state.h"
#include "engine/snapshot/snapshot_reader.h"
#include "engine/snapshot/snapshot_writer.h"
#include "storage/base/file.h"
#include "storage/base/log.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

constexpr size_t kImportBatchBytes = size_t{4} << 20;
constexpr std::chrono::seconds kReplaceWaitMax{30};

// Segment files stay where the snapshot was made; rows come from storage.
Result<std::string> WithoutSegments(std::string_view value) {
  ALMAGEST_TRY(auto manifest, DecodeRecord<ManifestRecord>(value));
  manifest.segments.clear();
  return EncodeRecord(manifest);
}

Result<> ImportRecords(KeyValueStore& store, std::span<const std::byte> bytes, size_t index,
                       CollectionId id) {
  const std::string prefix = CollectionRange(id).first;
  const std::string manifest_key = ManifestKey(id);
  WriteBatch batch;
  const auto visit = [&](ColumnFamily family, std::string_view own_key,
                         std::string_view value) -> Result<> {
    std::string key = prefix + std::string(own_key);
    std::string stored(value);
    if (family == ColumnFamily::kMeta && key == manifest_key) {
      ALMAGEST_TRY(stored, WithoutSegments(value));
    }
    batch.Put(family, std::move(key), std::move(stored));
    if (batch.bytes() < kImportBatchBytes) return {};
    ALMAGEST_TRY_VOID(store.Write(batch, Durability::kProcess));
    batch = WriteBatch();
    return {};
  };
  ALMAGEST_TRY_VOID(VisitSnapshot(bytes, index, visit));
  if (!batch.empty()) ALMAGEST_TRY_VOID(store.Write(batch, Durability::kProcess));
  return store.Sync();
}

// Collections that were built and are not yet anybody's. What is not taken out goes away again.
class Newcomers {
 public:
  using Entry = Database::State::Entry;
  explicit Newcomers(Database::State& state) : state_(state) {}
  ~Newcomers() {
    for (Entry& entry : entries_) {
      entry.collection.reset();
      WriteBatch batch;
      AddCollectionRemoval(entry.record.id, &batch);
      if (auto written = state_.store->Write(batch, Durability::kProcess); !written) {
        LogWarning("what was recovered in vain stays until the next start: " +
                   written.error().message);
        continue;  // The folder stays too: it is what the next start goes by.
      }
      std::error_code ignored;
      std::filesystem::remove_all(state_.CollectionDirectory(entry.record.id), ignored);
    }
  }

  Result<> Build(std::span<const std::byte> bytes, size_t index,
                 const SnapshotCollection& collection, const std::string& name) {
    Entry entry;
    {
      const std::lock_guard lock(state_.catalog_mutex);
      ALMAGEST_TRY(entry.record.id, state_.NextCollectionId());
    }
    entry.record.name = name;
    entry.record.config = ConfigToJson(collection.config);
    entry.record.created_at_micros = collection.created_at_micros;
    const auto directory = state_.CollectionDirectory(entry.record.id);
    // First the folder: if the process dies, it tells the next start that this id was begun.
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
      return Fail(ErrorCode::kInternal,
                  "cannot create " + directory.string() + ": " + error.message());
    }
    ALMAGEST_TRY_VOID(SyncDirectory(directory.parent_path()));
    entries_.push_back(entry);
    ALMAGEST_TRY_VOID(ImportRecords(*state_.store, bytes, index, entry.record.id));
    ALMAGEST_TRY(auto opened, Collection::Open(entry.record.id, name, collection.config,
                                               *state_.store, directory));
    entries_.back().collection = std::move(opened);
    return {};
  }

  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Entry> Take() { return std::exchange(entries_, {}); }

 private:
  Database::State& state_;
  std::vector<Entry> entries_;
};

// The collections that newcomers replace, kept from being found while this lives.
class Replaced {
 public:
  explicit Replaced(Database::State& state) : state_(state) {}
  ~Replaced() {
    for (const auto& [name, id] : ids_) {
      if (state_.optimizer) state_.optimizer->Release(id);
    }
    const std::unique_lock lock(state_.entries_mutex);
    for (const auto& [name, id] : ids_) state_.entries.at(name).switching = false;
    state_.switched.notify_all();
  }

  // Waits for the last user.
  Result<> Add(const std::string& name) {
    std::shared_ptr<Collection> collection;
    {
      const std::unique_lock lock(state_.entries_mutex);
      const auto found = state_.entries.find(name);
      if (found == state_.entries.end()) return {};
      found->second.switching = true;
      ids_[name] = found->second.record.id;
    }
    if (state_.optimizer) state_.optimizer->Exclude(ids_[name]);
    {
      const std::shared_lock lock(state_.entries_mutex);
      collection = state_.entries.at(name).collection;
    }
    return Database::State::AwaitLastUser(collection, name, kReplaceWaitMax,
                                          /*own_references=*/2);  // This one and the entry's.
  }
  const std::map<std::string, CollectionId>& ids() const { return ids_; }

 private:
  Database::State& state_;
  std::map<std::string, CollectionId> ids_;
};

// Under catalog_mutex. `aliases` of a whole store: alias to collection name.
Result<> PutInPlace(Database::State& state, Newcomers& newcomers,
                    const std::map<std::string, std::string>& aliases) {
  std::vector<std::shared_ptr<Collection>> old;
  Replaced replaced(state);
  std::map<std::string, CollectionId> ids;  // New ones by name.
  for (const auto& entry : newcomers.entries()) {
    ids[entry.record.name] = entry.record.id;
    ALMAGEST_TRY_VOID(replaced.Add(entry.record.name));
  }
  WriteBatch batch;
  std::map<std::string, CollectionId> after = state.aliases->All();
  for (const auto& [name, id] : replaced.ids()) {
    AddCollectionRemoval(id, &batch);
    for (auto& [alias, owner] : after) {
      if (owner == id) owner = ids.at(name);
    }
  }
  for (const auto& [alias, name] : aliases) after[alias] = ids.at(name);
  state.aliases->AddChange(after, &batch);
  for (const auto& entry : newcomers.entries()) {
    batch.Put(ColumnFamily::kMeta, CatalogKey(entry.record.id), EncodeRecord(entry.record));
  }
  ALMAGEST_TRY_VOID(state.store->Write(batch, Durability::kSync));
  state.aliases->Replace(std::move(after));
  {
    const std::unique_lock lock(state.entries_mutex);
    for (auto& entry : newcomers.Take()) {
      const std::string name = entry.record.name;
      Database::State::Entry& place = state.entries[name];
      old.push_back(std::move(place.collection));
      entry.switching = place.switching;
      place = std::move(entry);
    }
  }
  old.clear();
  for (const auto& [name, id] : replaced.ids()) {
    state.learning->ForgetCollection(id);
    std::error_code error;
    std::filesystem::remove_all(state.CollectionDirectory(id), error);
  }
  return {};
}

}  // namespace

Result<SnapshotDescription> Database::CreateSnapshot(const std::string& name) {
  ALMAGEST_TRY(const auto collection, state_->Find(name));
  const auto path = state_->snapshots->TemporaryPath();
  ALMAGEST_TRY(SnapshotWriter writer, SnapshotWriter::Create(path));
  const auto view = state_->store->Snapshot();
  ALMAGEST_TRY(const auto bytes,
               state_->store->Get(ColumnFamily::kMeta, CatalogKey(collection->id()), view.get()));
  if (!bytes) return Fail(NoSuchCollection(name));
  ALMAGEST_TRY(const auto record, DecodeRecord<CatalogRecord>(*bytes));
  ALMAGEST_TRY_VOID(writer.AddCollection(record.name, record.config, record.created_at_micros,
                                         record.id, *state_->store, *view));
  ALMAGEST_TRY(const auto written, writer.Finish());
  return state_->snapshots->Publish(path, record.name, written.sha256);
}

Result<SnapshotDescription> Database::CreateStoreSnapshot() {
  const auto path = state_->snapshots->TemporaryPath();
  ALMAGEST_TRY(SnapshotWriter writer, SnapshotWriter::Create(path));
  std::unique_ptr<StoreSnapshot> view;
  std::map<std::string, std::string> aliases;
  std::vector<CatalogRecord> records;
  {
    // Nothing comes or goes between the view and the list. What is dropped later is still in the
    // view.
    const std::lock_guard lock(state_->catalog_mutex);
    aliases = Aliases();
    view = state_->store->Snapshot();
    const std::shared_lock entries_lock(state_->entries_mutex);
    for (const auto& [name, entry] : state_->entries) {
      if (entry.collection) records.push_back(entry.record);
    }
  }
  for (const CatalogRecord& record : records) {
    ALMAGEST_TRY_VOID(writer.AddCollection(record.name, record.config, record.created_at_micros,
                                           record.id, *state_->store, *view));
  }
  std::erase_if(aliases, [&](const auto& alias) {  // Of quarantined collections.
    return std::ranges::find(records, alias.second, &CatalogRecord::name) == records.end();
  });
  ALMAGEST_TRY_VOID(writer.AddAliases(aliases));
  ALMAGEST_TRY(const auto written, writer.Finish());
  return state_->snapshots->Publish(path, "", written.sha256);
}

Result<> Database::RecoverCollection(const std::string& name, std::span<const std::byte> bytes) {
  ALMAGEST_TRY_VOID(ValidateCollectionName(name));
  ALMAGEST_TRY(const SnapshotContents contents, VerifySnapshot(bytes));
  if (contents.collections.size() != 1) {
    return Fail(ErrorCode::kInvalidArgument, "the snapshot holds " +
                                                 std::to_string(contents.collections.size()) +
                                                 " collections; a snapshot of one is needed here");
  }
  const std::lock_guard recovery_lock(state_->recovery_mutex);
  const auto known = state_->Record(name);  // An alias leads to its collection.
  const std::string own_name = known ? known->name : name;
  Newcomers newcomers(*state_);
  ALMAGEST_TRY_VOID(newcomers.Build(bytes, 0, contents.collections[0], own_name));
  const std::lock_guard lock(state_->catalog_mutex);
  if (state_->aliases->Resolve(own_name)) {
    return Fail(ErrorCode::kAlreadyExists, "an alias took the name `" + own_name + "` meanwhile");
  }
  return PutInPlace(*state_, newcomers, {});
}

Result<> Database::RecoverStore(std::span<const std::byte> bytes, bool force) {
  ALMAGEST_TRY(const SnapshotContents contents, VerifySnapshot(bytes));
  const std::lock_guard recovery_lock(state_->recovery_mutex);
  const auto check_names = [&]() -> Result<> {
    const auto taken_aliases = state_->aliases->All();
    const std::shared_lock lock(state_->entries_mutex);
    for (const auto& collection : contents.collections) {
      const bool taken = state_->entries.contains(collection.name);
      if ((taken && !force) || taken_aliases.contains(collection.name)) {
        return Fail(ErrorCode::kAlreadyExists, "the name `" + collection.name + "` is taken");
      }
    }
    for (const auto& [alias, collection] : contents.aliases) {
      if (state_->entries.contains(alias) || (taken_aliases.contains(alias) && !force)) {
        return Fail(ErrorCode::kAlreadyExists, "the name `" + alias + "` is taken");
      }
    }
    return {};
  };
  ALMAGEST_TRY_VOID(check_names());
  Newcomers newcomers(*state_);
  for (size_t i = 0; i < contents.collections.size(); ++i) {
    ALMAGEST_TRY_VOID(
        newcomers.Build(bytes, i, contents.collections[i], contents.collections[i].name));
  }
  const std::lock_guard lock(state_->catalog_mutex);
  ALMAGEST_TRY_VOID(check_names());
  return PutInPlace(*state_, newcomers, contents.aliases);
}

}  // namespace almagest

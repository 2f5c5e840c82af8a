// What a database holds, shared by the files that implement Database.
//
// Locks, in the order in which they may be taken: recovery_mutex, catalog_mutex, entries_mutex.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "engine/collection/optimizer_thread.h"
#include "engine/database.h"
#include "storage/records.h"

namespace almagest {

struct Database::State {
  struct Entry {
    CatalogRecord record;
    std::shared_ptr<Collection> collection;  // nullptr: quarantined, for `reason`.
    std::string reason;
    bool switching = false;  // Another collection is about to take its place: wait for it.
  };

  DatabaseOptions options;
  std::unique_ptr<KeyValueStore> store;
  std::mutex catalog_mutex;                 // One change of the catalog at a time.
  mutable std::shared_mutex entries_mutex;  // For `entries` only; taken after catalog_mutex.
  std::map<std::string, Entry> entries;
  mutable std::condition_variable_any switched;  // With entries_mutex.
  std::mutex recovery_mutex;                     // One recovery at a time; taken first of all.
  std::unique_ptr<AliasTable> aliases;
  std::unique_ptr<SnapshotFolder> snapshots;
  std::unique_ptr<TextModels> text_models;
  // Destroyed in the reverse order: the optimizer first, then jobs, then collections, the store.
  std::unique_ptr<Learning> learning;
  std::unique_ptr<OptimizerThread> optimizer;

  std::filesystem::path CollectionDirectory(CollectionId id) const {
    return options.data_directory / "collections" / std::to_string(id);
  }
  Result<> LoadCatalog();
  void RemoveUnknownCollections() const;
  // For a collection that nobody can find any more. kUnavailable when it is still used after
  // `wait_max`.
  static Result<> AwaitLastUser(const std::shared_ptr<Collection>& collection,
                                const std::string& name, std::chrono::seconds wait_max,
                                long own_references = 1);
  // One that was never given. Under catalog_mutex.
  Result<CollectionId> NextCollectionId();
  // The entry that a collection's name or an alias leads to; end() if there is none. The caller
  // holds entries_mutex.
  std::map<std::string, Entry>::const_iterator Locate(const std::string& name) const;
  Result<std::shared_ptr<Collection>> Find(const std::string& name) const;
  Result<CatalogRecord> Record(const std::string& name) const;
  std::vector<std::shared_ptr<Collection>> Collections() const;
  // Runs `change` with a PersistConfig that makes the changed config the stored one.
  Result<WriteResult> ChangeVectors(
      const std::string& name,
      const std::function<Result<WriteResult>(Collection&, const Collection::PersistConfig&)>&
          change);
  // Makes the collection's present config the stored one.
  Result<> PersistConfig(const std::string& name, const Collection& collection);
};

// kNotFound as clients know it.
Error NoSuchCollection(const std::string& name);

}  // namespace almagest

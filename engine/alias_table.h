// Other names of collections. An alias leads to a collection by its number, so it survives nothing
// but that collection; a list of changes is applied as one, so that readers see all of it or none
// (the usual way to switch an application to a new collection).
//
// Thread safety: every function may be called from any thread; Apply and ForgetCollection one at a
// time (the database's catalog mutex).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <variant>

#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/key_value_store.h"

namespace almagest {

struct CreateAlias {
  std::string alias;  // Replaces an alias of that name.
  std::string collection;
};
struct DeleteAlias {
  std::string alias;  // May be absent.
};
struct RenameAlias {
  std::string from;
  std::string to;
};
using AliasChange = std::variant<CreateAlias, DeleteAlias, RenameAlias>;

class AliasTable {
 public:
  // The number of the collection of that name; nullopt if there is none.
  using FindCollectionId = std::function<std::optional<CollectionId>(const std::string& name)>;

  explicit AliasTable(KeyValueStore& store) : store_(store) {}
  Result<> Load();

  std::optional<CollectionId> Resolve(const std::string& alias) const;
  std::map<std::string, CollectionId> All() const;

  // In order, later changes seeing earlier ones; one synced write. kNotFound for an unknown
  // collection or alias, kAlreadyExists where a collection has the alias's name, and what
  // ValidateCollectionName says. On an error nothing changes.
  Result<> Apply(std::span<const AliasChange> changes, const FindCollectionId& find);

  // For changes that are part of a larger one: adds what leads from the present aliases to `after`
  // to `batch`; Replace them once that is written.
  void AddChange(const std::map<std::string, CollectionId>& after, WriteBatch* batch) const;
  void Replace(std::map<std::string, CollectionId> after);

  // Adds the removal of the collection's aliases to `batch`; Forget it once that is written.
  void AddRemoval(CollectionId collection, WriteBatch* batch) const;
  void Forget(CollectionId collection);

 private:
  using Aliases = std::map<std::string, CollectionId>;
  KeyValueStore& store_;
  mutable std::shared_mutex mutex_;
  Aliases aliases_;  // Guarded by mutex_.
};

}  // namespace almagest

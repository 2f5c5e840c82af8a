#include "engine/alias_table.h"

#include <mutex>

#include "engine/config.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

Result<> ApplyOne(const AliasChange& change, const AliasTable::FindCollectionId& find,
                  std::map<std::string, CollectionId>& aliases) {
  const auto check_free = [&](const std::string& name) -> Result<> {
    ALMAGEST_TRY_VOID(ValidateCollectionName(name));
    if (find(name)) {
      return Fail(ErrorCode::kAlreadyExists, "Collection `" + name + "` already exists!");
    }
    return {};
  };
  if (const auto* create = std::get_if<CreateAlias>(&change)) {
    const auto collection = find(create->collection);
    if (!collection) {
      return Fail(ErrorCode::kNotFound, "Collection `" + create->collection + "` doesn't exist!");
    }
    ALMAGEST_TRY_VOID(check_free(create->alias));
    aliases[create->alias] = *collection;
    return {};
  }
  if (const auto* removal = std::get_if<DeleteAlias>(&change)) {
    aliases.erase(removal->alias);
    return {};
  }
  const auto& rename = std::get<RenameAlias>(change);
  const auto found = aliases.find(rename.from);
  if (found == aliases.end()) {
    return Fail(ErrorCode::kNotFound, "Alias " + rename.from + " does not exists!");
  }
  ALMAGEST_TRY_VOID(check_free(rename.to));
  const CollectionId collection = found->second;
  aliases.erase(found);
  aliases[rename.to] = collection;
  return {};
}

}  // namespace

Result<> AliasTable::Load() {
  const KeyRange range = AliasRange();
  Aliases loaded;
  Result<> damage;
  ALMAGEST_TRY_VOID(store_.Scan(ColumnFamily::kMeta, range.first, range.limit,
                                [&](std::string_view key, std::string_view value) {
                                  const auto alias = ParseAliasKey(key);
                                  const auto record = DecodeRecord<AliasRecord>(value);
                                  if (!alias || !record) {
                                    damage = Fail(ErrorCode::kCorruption, "the record of alias `" +
                                                                              alias.value_or("") +
                                                                              "` is damaged");
                                    return false;
                                  }
                                  loaded[*alias] = record->collection;
                                  return true;
                                }));
  ALMAGEST_TRY_VOID(std::move(damage));
  const std::unique_lock lock(mutex_);
  aliases_ = std::move(loaded);
  return {};
}

std::optional<CollectionId> AliasTable::Resolve(const std::string& alias) const {
  const std::shared_lock lock(mutex_);
  const auto found = aliases_.find(alias);
  return found == aliases_.end() ? std::nullopt : std::optional(found->second);
}

std::map<std::string, CollectionId> AliasTable::All() const {
  const std::shared_lock lock(mutex_);
  return aliases_;
}

Result<> AliasTable::Apply(std::span<const AliasChange> changes, const FindCollectionId& find) {
  Aliases after = All();
  for (const AliasChange& change : changes) {
    ALMAGEST_TRY_VOID(ApplyOne(change, find, after));
  }
  WriteBatch batch;
  AddChange(after, &batch);
  ALMAGEST_TRY_VOID(store_.Write(batch, Durability::kSync));
  Replace(std::move(after));
  return {};
}

void AliasTable::AddChange(const Aliases& after, WriteBatch* batch) const {
  const Aliases before = All();
  for (const auto& [alias, collection] : before) {
    if (!after.contains(alias)) batch->Delete(ColumnFamily::kMeta, AliasKey(alias));
  }
  for (const auto& [alias, collection] : after) {
    const auto found = before.find(alias);
    if (found != before.end() && found->second == collection) continue;
    AliasRecord record;
    record.collection = collection;
    batch->Put(ColumnFamily::kMeta, AliasKey(alias), EncodeRecord(record));
  }
}

void AliasTable::Replace(Aliases after) {
  const std::unique_lock lock(mutex_);
  aliases_ = std::move(after);
}

void AliasTable::AddRemoval(CollectionId collection, WriteBatch* batch) const {
  for (const auto& [alias, owner] : All()) {
    if (owner == collection) batch->Delete(ColumnFamily::kMeta, AliasKey(alias));
  }
}

void AliasTable::Forget(CollectionId collection) {
  const std::unique_lock lock(mutex_);
  std::erase_if(aliases_, [&](const auto& entry) { return entry.second == collection; });
}

}  // namespace almagest

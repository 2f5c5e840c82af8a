// Aliases: other names of collections.
#include "http/error_response.h"
#include "http/handlers.h"
#include "http/json_reader.h"

namespace almagest {
namespace {

Result<std::string> RequireString(const JsonValue& object, std::string_view key) {
  ALMAGEST_TRY(const JsonValue value, object.Require(key));
  ALMAGEST_TRY(const std::string_view text, value.AsString());
  return std::string(text);
}

// {"create_alias": {...}}, {"delete_alias": {...}} or {"rename_alias": {...}}
Result<AliasChange> ParseAliasChange(const JsonValue& value) {
  ALMAGEST_TRY(const auto members, value.Members());
  if (members.size() != 1) {
    return Fail(FormatError(value.path(),
                            "expected one of `create_alias`, `delete_alias` and `rename_alias`"));
  }
  const auto& [name, body] = members.front();
  if (name == "create_alias") {
    CreateAlias change;
    ALMAGEST_TRY(change.collection, RequireString(body, "collection_name"));
    ALMAGEST_TRY(change.alias, RequireString(body, "alias_name"));
    return AliasChange(std::move(change));
  }
  if (name == "delete_alias") {
    DeleteAlias change;
    ALMAGEST_TRY(change.alias, RequireString(body, "alias_name"));
    return AliasChange(std::move(change));
  }
  if (name == "rename_alias") {
    RenameAlias change;
    ALMAGEST_TRY(change.from, RequireString(body, "old_alias_name"));
    ALMAGEST_TRY(change.to, RequireString(body, "new_alias_name"));
    return AliasChange(std::move(change));
  }
  return Fail(FormatError(value.path(),
                          "expected one of `create_alias`, `delete_alias` and `rename_alias`"));
}

Reply AliasesReply(const std::map<std::string, std::string>& aliases,
                   const std::string* collection) {
  JsonWriter json = BeginResult();
  json.BeginObject().Key("aliases").BeginArray();
  for (const auto& [alias, name] : aliases) {
    if (collection != nullptr && name != *collection) continue;
    json.BeginObject().Key("alias_name").String(alias);
    json.Key("collection_name").String(name).EndObject();
  }
  json.EndArray().EndObject();
  return ResultReply(std::move(json));
}

}  // namespace

Result<Reply> HandleChangeAliases(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY_VOID(ParseWriteOptions(request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(const JsonValue actions, body.Require("actions"));
  ALMAGEST_TRY(const auto items, actions.Items());
  std::vector<AliasChange> changes;
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(AliasChange change, ParseAliasChange(item));
    changes.push_back(std::move(change));
  }
  ALMAGEST_TRY_VOID(service.database.ChangeAliases(changes));
  return BoolReply(true);
}

Result<Reply> HandleListAliases(Service& service, const HttpRequest&) {
  auto aliases = service.database.Aliases();
  std::erase_if(aliases, [&](const auto& alias) { return !MayRead(service, alias.second); });
  return AliasesReply(aliases, nullptr);
}

Result<Reply> HandleCollectionAliases(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  const std::string name = collection->name();
  return AliasesReply(service.database.Aliases(), &name);
}

}  // namespace almagest

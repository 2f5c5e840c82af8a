#include "storage/key_value_store.h"

#include <utility>

namespace almagest {

void WriteBatch::Put(ColumnFamily family, std::string key, std::string value) {
  bytes_ += key.size() + value.size();
  operations_.push_back({Kind::kPut, family, std::move(key), std::move(value)});
}

void WriteBatch::Delete(ColumnFamily family, std::string key) {
  bytes_ += key.size();
  operations_.push_back({Kind::kDelete, family, std::move(key), {}});
}

void WriteBatch::DeleteRange(ColumnFamily family, std::string first, std::string limit) {
  bytes_ += first.size() + limit.size();
  operations_.push_back({Kind::kDeleteRange, family, std::move(first), std::move(limit)});
}

}  // namespace almagest

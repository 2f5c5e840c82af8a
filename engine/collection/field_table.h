// The vector fields of a collection, by id. Fields come and go while searches run, so nothing here
// ever moves: an entry is written once, published by one atomic count, and dropped by one flag. Ids
// are not used again, so that what is stored under an old one can never be taken for a new one's.
//
// Thread safety: any number of readers; Add and Drop by one writer at a time (the collection's
// writer mutex).
#pragma once

#include <array>
#include <atomic>
#include <iterator>
#include <string>
#include <vector>

#include "engine/config.h"
#include "storage/base/check.h"

namespace almagest {

struct CollectionField {
  FieldId id = 0;
  std::string name;
  bool is_sparse = false;
  uint32_t dimension = 0;  // Not of sparse ones, as is the distance.
  Distance distance = Distance::kCosine;
  Datatype datatype = Datatype::kFloat32;
  bool is_multi = false;
  // One vector per point, served by adapter versions (at least by the identity).
  bool is_dense() const { return !is_sparse && !is_multi; }
  bool normalised() const { return !is_sparse && distance == Distance::kCosine; }
  // Adapters need scores that are dot products.
  bool adaptable() const {
    return is_dense() && (distance == Distance::kCosine || distance == Distance::kDot);
  }
};

class FieldTable {
 public:
  // Goes through the fields that were not dropped, by id.
  class Iterator {
   public:
    using value_type = CollectionField;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    Iterator(const FieldTable* table, size_t id, size_t end) : table_(table), id_(id), end_(end) {
      SkipDropped();
    }
    const CollectionField& operator*() const { return table_->entries_[id_].field; }
    const CollectionField* operator->() const { return &table_->entries_[id_].field; }
    Iterator& operator++() {
      ++id_;
      SkipDropped();
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    // The end is where the table ended when the iteration began.
    bool operator==(const Iterator& other) const { return id_ == other.id_; }

   private:
    void SkipDropped() {
      while (id_ < end_ && !table_->Has(static_cast<FieldId>(id_))) ++id_;
    }
    const FieldTable* table_ = nullptr;
    size_t id_ = 0;
    size_t end_ = 0;
  };
  struct View {
    Iterator first;
    Iterator last;
    Iterator begin() const { return first; }
    Iterator end() const { return last; }
  };

  explicit FieldTable(const std::vector<CollectionField>& fields) {
    for (const CollectionField& field : fields) Add(field);
  }

  // Ids given so far: those of fields are below it.
  size_t size() const { return count_.load(std::memory_order_acquire); }
  bool Has(FieldId id) const {
    return id < size() && entries_[id].present.load(std::memory_order_acquire);
  }
  // `id` was once added; a dropped field is still described.
  const CollectionField& operator[](FieldId id) const {
    ALMAGEST_CHECK(id < size());
    return entries_[id].field;
  }
  // nullptr if there is no field of that name.
  const CollectionField* Find(const std::string& name) const {
    for (const CollectionField& field : All()) {
      if (field.name == name) return &field;
    }
    return nullptr;
  }
  View All() const {
    const size_t end = size();
    return {Iterator(this, 0, end), Iterator(this, end, end)};
  }

  // `field.id` is not below size() and is below kVectorFieldsMax. Ids left out count as dropped.
  void Add(const CollectionField& field) {
    ALMAGEST_CHECK(field.id >= size() && field.id < kVectorFieldsMax);
    Entry& entry = entries_[field.id];
    entry.field = field;
    entry.present.store(true, std::memory_order_release);
    count_.store(size_t{field.id} + 1, std::memory_order_release);
  }
  void Drop(FieldId id) { entries_[id].present.store(false, std::memory_order_release); }

 private:
  struct Entry {
    CollectionField field;
    std::atomic<bool> present{false};
  };
  std::array<Entry, kVectorFieldsMax> entries_;
  std::atomic<size_t> count_{0};
};

}  // namespace almagest

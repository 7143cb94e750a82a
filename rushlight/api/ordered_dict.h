// A dictionary that keeps the order in which keys were inserted.
#pragma once
#include <unordered_map>
#include <utility>
#include <vector>

#include "rushlight/api/check.h"

namespace rushlight::api {

template <class Key, class Value>
class OrderedDict {
 public:
  class Item {
   public:
    Item(Key key, Value value) : pair_(std::move(key), std::move(value)) {}
    Value& operator*() { return value(); }
    const Value& operator*() const { return value(); }
    Value* operator->() { return &value(); }
    const Value* operator->() const { return &value(); }
    const Key& key() const noexcept { return pair_.first; }
    Value& value() noexcept { return pair_.second; }
    const Value& value() const noexcept { return pair_.second; }
    const std::pair<Key, Value>& pair() const noexcept { return pair_; }

   private:
    std::pair<Key, Value> pair_;
  };
  using Iterator = typename std::vector<Item>::iterator;
  using ConstIterator = typename std::vector<Item>::const_iterator;

  // `key_description` is what errors call a key.
  explicit OrderedDict(std::string key_description = "Key") : key_description_(std::move(key_description)) {}
  OrderedDict(std::initializer_list<Item> items) : OrderedDict("Key") {
    for (const Item& i : items) insert(i.key(), i.value());
  }
  const std::string& key_description() const noexcept { return key_description_; }

  // Both throw RuntimeError if there is nothing.
  Item& front() {
    TORCH_CHECK(!is_empty(), "Called front() on an empty OrderedDict");
    return items_.front();
  }
  const Item& front() const { return const_cast<OrderedDict&>(*this).front(); }
  Item& back() {
    TORCH_CHECK(!is_empty(), "Called back() on an empty OrderedDict");
    return items_.back();
  }
  const Item& back() const { return const_cast<OrderedDict&>(*this).back(); }
  Item& operator[](size_t i) { return items_[i]; }
  const Item& operator[](size_t i) const { return items_[i]; }
  // Throws RuntimeError naming a key that isn't there.
  Value& operator[](const Key& key) { return items_[need(key)].value(); }
  const Value& operator[](const Key& key) const { return items_[need(key)].value(); }
  // Null if there is none.
  Value* find(const Key& key) noexcept {
    auto at = index_.find(key);
    return at == index_.end() ? nullptr : &items_[at->second].value();
  }
  const Value* find(const Key& key) const noexcept { return const_cast<OrderedDict*>(this)->find(key); }
  bool contains(const Key& key) const noexcept { return find(key) != nullptr; }

  Iterator begin() { return items_.begin(); }
  ConstIterator begin() const { return items_.begin(); }
  Iterator end() { return items_.end(); }
  ConstIterator end() const { return items_.end(); }
  size_t size() const noexcept { return items_.size(); }
  bool is_empty() const noexcept { return items_.empty(); }
  void reserve(size_t n) { items_.reserve(n), index_.reserve(n); }

  // Throws RuntimeError if the key is there already.
  template <class K, class V>
  Value& insert(K&& key, V&& value) {
    Item item(Key(std::forward<K>(key)), Value(std::forward<V>(value)));
    TORCH_CHECK(index_.count(item.key()) == 0, key_description_, " '", item.key(), "' already defined");
    index_.emplace(item.key(), items_.size());
    items_.push_back(std::move(item));
    return items_.back().value();
  }
  Value& insert(Key key, Value&& value) { return insert<Key, Value>(std::move(key), std::move(value)); }
  // All of `other`; throws for a key that is in both.
  void update(OrderedDict&& other) {
    for (Item& i : other) insert(i.key(), std::move(i.value()));
  }
  void update(const OrderedDict& other) {
    for (const Item& i : other) insert(i.key(), i.value());
  }
  void erase(const Key& key) {
    size_t at = need(key);
    items_.erase(items_.begin() + std::ptrdiff_t(at));
    index_.erase(key);
    for (auto& entry : index_)
      if (entry.second > at) entry.second--;
  }
  void clear() { items_.clear(), index_.clear(); }

  const std::vector<Item>& items() const noexcept { return items_; }
  std::vector<Key> keys() const {
    std::vector<Key> out;
    for (const Item& i : items_) out.push_back(i.key());
    return out;
  }
  std::vector<Value> values() const {
    std::vector<Value> out;
    for (const Item& i : items_) out.push_back(i.value());
    return out;
  }
  std::vector<std::pair<Key, Value>> pairs() const {
    std::vector<std::pair<Key, Value>> out;
    for (const Item& i : items_) out.push_back(i.pair());
    return out;
  }
  friend bool operator==(const OrderedDict& a, const OrderedDict& b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i++)
      if (a[i].key() != b[i].key() || a[i].value() != b[i].value()) return false;
    return true;
  }

 private:
  size_t need(const Key& key) const {
    auto at = index_.find(key);
    TORCH_CHECK(at != index_.end(), key_description_, " '", key, "' is not defined");
    return at->second;
  }
  std::string key_description_;
  std::unordered_map<Key, size_t> index_;
  std::vector<Item> items_;
};

}  // namespace rushlight::api

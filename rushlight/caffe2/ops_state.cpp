// Blobs that are no tensors: counters, mutexes, indices, maps, vectors of tensors, queues, cursors; and strings.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <unordered_map>

#include "rushlight/caffe2/blobs.h"
#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/rows.h"
#include "rushlight/caffe2/workspace.h"

namespace rushlight::caffe2 {
namespace {

using Dims1 = std::vector<int64_t>;

// Sums by name; those of nobody's registry are the process's.
struct Statistics final : Object {
  const char* type_name() const override { return "StatRegistry"; }
  std::map<std::string, int64_t> all;
  std::map<std::string, int64_t> offsets;  // what squares are counted from
};
Statistics& shared_statistics() {
  static Statistics& all = *new Statistics;
  return all;
}
Statistics& statistics(const Call& c, size_t k) { return c.has(k) ? c.object<Statistics>(k) : shared_statistics(); }
struct Timer final : Object {
  const char* type_name() const override { return "TimerInstance*"; }
  std::string name;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  int64_t elapsed() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin).count();
  }
  void finish() const {
    shared_statistics().all[name + "/time_ns/sum"] += elapsed();
    shared_statistics().all[name + "/time_ns/count"]++;
  }
};

struct Counter final : Object {
  const char* type_name() const override { return "Counter"; }
  int64_t count = 0;
};
bool write_counter(const Value& v, Message& blob) {
  auto* counter = as<Counter>(v);
  if (!counter) return false;
  const MessageRef& t = blob.message("tensor");
  t->set("name", blob.text("name")).set("data_type", proto_of_dtype(torch::kLong));
  t->mutable_wholes("dims") = {1};
  t->mutable_wholes("int64_data") = {counter->count};
  t->touch();
  return true;
}
Value read_counter(const Message& blob) {
  const Message* t = blob.message_or_null("tensor");
  C2_ENFORCE(t && t->wholes("int64_data").size() == 1, "blob ", blob.text("name"), ": a counter is one int64");
  auto counter = make_ref<Counter>();
  counter->count = t->wholes("int64_data")[0];
  return object_value(counter);
}
struct Mutex final : Object {
  const char* type_name() const override { return "std::mutex"; }
};
struct AtomicBool final : Object {
  const char* type_name() const override { return "std::atomic<bool>"; }
  bool value = false;
};
struct TensorVector final : Object {
  const char* type_name() const override { return "std::vector<Tensor>"; }
  std::vector<Value> all;
};
// Numbers from 1 on for keys; 0 stands for the unknown.
struct Index final : Object {
  const char* type_name() const override { return "IndexBase"; }
  bool texts = false, frozen = false;
  torch::Dtype dtype = torch::kLong;
  int64_t max = INT64_MAX;
  std::unordered_map<std::string, int64_t> of_text;
  std::unordered_map<int64_t, int64_t> of_number;
  std::vector<std::string> text_keys;
  std::vector<int64_t> keys;
  int64_t size() const { return 1 + int64_t(texts ? text_keys.size() : keys.size()); }
  template <class K, class M, class V>
  int64_t get(const K& key, M& map, V& order) {
    auto found = map.find(key);
    if (found != map.end()) return found->second;
    if (frozen) return 0;
    C2_ENFORCE(size() < max, "Dict max size reached");
    int64_t n = size();
    map[key] = n;
    order.push_back(key);
    return n;
  }
};
struct Map final : Object {
  const char* type_name() const override { return "std::unordered_map"; }
  torch::Dtype keys = torch::kLong, values = torch::kLong;
  std::unordered_map<int64_t, int64_t> all;
  Dims1 order;
};
StringTensor& strings(const Call& c, size_t k) { return c.object<StringTensor>(k); }
void per_string(Registry& r, const char* name, bool (*f)(const std::string& s, const std::string& part),
                const char* arg) {
  r.op(name, "1 -> 1", [f, arg](Call& c) {
     StringTensor& s = strings(c, 0);
     Tensor y = torch::empty(s.sizes, torch::TensorOptions().dtype(torch::kBool));
     std::string part = c.s(arg, "");
     for (size_t k = 0; k < s.items.size(); k++) y.data_ptr<bool>()[k] = f(s.items[k], part);
     c.set(y);
   }).stop();
}

std::string shown(float v) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", double(v));
  return text;
}

// A ring of the last rows: where they are, and the row that is written next.
void last_rows(Call& c) {
  int64_t most = c.i("num_to_collect", -1);
  C2_ENFORCE(most > 0, "num_to_collect should be above 0, got ", most);
  Tensor x = c.X(2);
  C2_ENFORCE(x.dim() >= 1, "LastNWindowCollector wants rows");
  bool begun = c.in[0].is_tensor() && c.X(0).numel() > 0;
  Tensor held = begun ? c.X(0) : x.narrow(0, 0, 0);
  C2_ENFORCE(held.dim() == x.dim() && held.scalar_type() == x.scalar_type(), "rows of ", held.sizes(), " and of ",
             x.sizes(), " are not alike");
  int64_t have = held.size(0), n = x.size(0), next = int64_t(c.number(1));
  C2_ENFORCE(have <= most && next >= 0 && next < most, "the next row, ", next, ", is not below ", most);
  Dims1 sizes(x.sizes().begin(), x.sizes().end());
  sizes[0] = std::min(most, have + n);
  Tensor y = torch::zeros(sizes, x.options());
  if (n >= most) {
    y.copy_(x.narrow(0, n - most, most));
    next = 0;
  } else {
    C2_ENFORCE(next <= have, "the next row, ", next, ", is past the ", have, " rows");
    y.narrow(0, 0, have).copy_(held);
    int64_t first = std::min(n, most - next);
    y.narrow(0, next, first).copy_(x.narrow(0, 0, first));
    if (n > first) y.narrow(0, 0, n - first).copy_(x.narrow(0, first, n - first));
    next = (next + n) % most;
  }
  c.set(0, y);
  c.set(1, torch::full(c.X(1).sizes(), next, c.X(1).options()));
  if (c.has(4)) c.set(2, c.X(4) + n);
}

// A number as a statistic: magnitude_expand parts of one.
int64_t statistic(const Call& c) {
  int64_t expand = c.i("magnitude_expand", 1);
  C2_ENFORCE(expand > 0, "magnitude_expand should be above 0");
  Tensor x = c.X();
  C2_ENFORCE(x.numel() > 0 || c.has_arg("default_value"),
             "Default value must be provided when receiving empty tensors for ", c.s("stat_name", c.op.inputs[0]));
  double v = x.numel() ? x.reshape({-1}).select(0, 0).item<double>() : c.f("default_value");
  auto bound = double(INT64_MAX / expand);
  if (c.b("bound"))
    return std::isnan(v) ? 0 : v <= -bound ? INT64_MIN : v >= bound ? INT64_MAX : int64_t(v * double(expand));
  C2_ENFORCE(!std::isnan(v), "Input value cannot be NaN!");
  C2_ENFORCE(std::abs(v) < bound, "Input value is too large for the given magnitude expansion!");
  return int64_t(v * double(expand));
}

}  // namespace

void add_state(Registry& r) {
  saved_objects()["std::unique_ptr<Counter<int64_t>>"] = {write_counter, read_counter};
  r.op("Append", "2 -> 1", [](Call& c) { c.set_value(0, appended(c.in[0], c.in[1])); }).stop();
  r.op("AtomicAppend", "3+ -> 1+", [](Call& c) {
     c.object<Mutex>(0);
     size_t n = c.outputs();
     C2_ENFORCE(c.inputs() == 1 + 2 * n, "AtomicAppend wants a mutex, and two inputs for each output");
     for (size_t k = 0; k < n; k++) c.set_value(k, appended(c.in[1 + k], c.in[1 + n + k]));
   }).quiet();
  r.op("LastNWindowCollector", "3-5 -> 2-3", last_rows).stop();
  // ---- statistics of values: their number, their sum, and what a variance needs
  struct Put {
    const char* name;
    bool plain, squares;
  };
  for (Put put : {Put{"IncrementPut", true, false}, {"AveragePut", false, false}, {"StdDevPut", false, true}})
    r.op(put.name, "1 -> 0",
         [put](Call& c) {
           std::string key = c.s("stat_name", c.op.inputs[0]) + "/stat_value";
           int64_t v = statistic(c);
           auto &all = shared_statistics().all, &offsets = shared_statistics().offsets;
           auto more = [&all](const std::string& name, int64_t by) {
             all[name] = int64_t(uint64_t(all[name]) + uint64_t(by));
           };
           if (put.plain) return more(key, v);
           more(key + "/sum", v), more(key + "/count", 1);
           if (!put.squares) return;
           // Squares of small numbers: as far from the first one that came.
           auto first = offsets.try_emplace(key, v).first->second;
           auto off = int64_t(uint64_t(v) - uint64_t(first));
           more(key + "/sumoffset", off), more(key + "/sumsqoffset", int64_t(uint64_t(off) * uint64_t(off)));
         })
        .stateful()
        .quiet();
  // ---- statistics by name
  r.op("StatRegistryCreate", "0 -> 1", [](Call& c) { c.set_value(0, object_value(make_ref<Statistics>())); })
      .stateful()
      .quiet();
  r.op("StatRegistryUpdate", "2-3 -> 0",
       [](Call& c) {
         auto& names = c.object<StringTensor>(0);
         std::vector<int64_t> values = c.whole_numbers(1);
         C2_ENFORCE(names.items.size() == values.size(), "there are ", names.items.size(), " keys and ", values.size(),
                    " values");
         for (size_t k = 0; k < values.size(); k++) statistics(c, 2).all[names.items[k]] += values[k];
       })
      .stateful()
      .quiet();
  r.op("StatRegistryExport", "0-1 -> 3",
       [](Call& c) {
         Statistics& of = statistics(c, 0);
         auto keys = make_ref<StringTensor>();
         Dims1 values, times;
         int64_t now =
             std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
                 .count();
         for (auto& [name, v] : of.all) keys->items.push_back(name), values.push_back(v), times.push_back(now);
         keys->sizes = {int64_t(values.size())};
         if (c.b("reset", true)) of.all.clear();
         c.set_value(0, object_value(keys)), c.set(1, int_list(values)), c.set(2, int_list(times));
       })
      .stateful()
      .quiet();
  // ---- timers, in nanoseconds
  r.op("TimerBegin", "0 -> 1",
       [](Call& c) {
         auto t = make_ref<Timer>();
         t->name = c.s("counter_name", c.op.def->text("name"));
         c.set_value(0, object_value(t));
       })
      .stateful()
      .quiet();
  for (bool end : {true, false})
    r.op(end ? "TimerGetAndEnd" : "TimerGet", "1 -> 1",
         [end](Call& c) {
           Timer& t = c.object<Timer>(0);
           c.set(one_long(t.elapsed()));
           if (end) t.finish();
         })
        .stateful()
        .quiet();
  r.op("TimerEnd", "1 -> 0", [](Call& c) { c.object<Timer>(0).finish(); }).stateful().quiet();
  // ---- counters
  r.op("CreateCounter", "0 -> 1",
       [](Call& c) {
         auto n = make_ref<Counter>();
         n->count = c.i("init_count", 0);
         C2_ENFORCE(n->count >= 0, "negative init_count is not permitted.");
         c.set_value(0, object_value(n));
       })
      .stateful()
      .quiet();
  r.op("ResetCounter", "1 -> 0-1",
       [](Call& c) { c.set(one_long(std::exchange(c.object<Counter>(0).count, c.i("init_count", 0)))); })
      .stateful()
      .quiet();
  r.op("CountDown", "1 -> 1", [](Call& c) { c.set(one_bool(c.object<Counter>(0).count-- <= 0)); }).stateful().quiet();
  r.op("CountUp", "1 -> 1", [](Call& c) { c.set(one_long(c.object<Counter>(0).count++)); }).stateful().quiet();
  r.op("CheckCounterDone", "1 -> 1", [](Call& c) { c.set(one_bool(c.object<Counter>(0).count <= 0)); })
      .stateful()
      .quiet();
  r.op("RetrieveCount", "1 -> 1", [](Call& c) { c.set(one_long(c.object<Counter>(0).count)); }).stateful().quiet();
  // ---- what several threads share; here one runs at a time
  r.op("CreateMutex", "0 -> 1", [](Call& c) { c.set_value(0, object_value(make_ref<Mutex>())); }).stateful().quiet();
  for (const char* name : {"AtomicFetchAdd", "AtomicFetchAdd64"})
    r.op(name, "3 -> 2", [](Call& c) {
       c.object<Mutex>(0);
       Tensor a = c.X(1).reshape({}), b = c.X(2).reshape({});
       c.set(0, a + b), c.set(1, a);
     }).quiet();
  r.op("CreateAtomicBool", "0 -> 1", [](Call& c) { c.set_value(0, object_value(make_ref<AtomicBool>())); })
      .stateful()
      .quiet();
  r.op("ConditionalSetAtomicBool", "2 -> 0",
       [](Call& c) {
         if (c.number(1) != 0) c.object<AtomicBool>(0).value = true;
       })
      .stateful()
      .quiet();
  r.op("CheckAtomicBool", "1 -> 1", [](Call& c) { c.set(one_bool(c.object<AtomicBool>(0).value)); }).stateful().quiet();
  // ---- vectors of tensors
  r.op("CreateTensorVector", "0 -> 1", [](Call& c) { c.set_value(0, object_value(make_ref<TensorVector>())); })
      .stateful()
      .quiet();
  r.op("TensorVectorSize", "1 -> 1",
       [](Call& c) {
         c.set(
             torch::full({}, int64_t(c.object<TensorVector>(0).all.size()), torch::TensorOptions().dtype(torch::kInt)));
       })
      .stateful()
      .quiet();
  r.op("ConcatTensorVector", "1 -> 1",
       [](Call& c) {
         std::vector<Tensor> all;
         for (const Value& v : c.object<TensorVector>(0).all) all.push_back(Tensor(v.tensor()));
         C2_ENFORCE(!all.empty(), "the vector of tensors is empty");
         c.set(torch::cat(all, 0));
       })
      .stateful()
      .quiet();
  r.op("CollectTensor", "2+ -> 1+",
       [](Call& c) {
         size_t n = c.inputs() / 2;
         for (size_t k = 0; k < n; k++) {
           auto* v = as<TensorVector>(c.in[k]);
           auto next = make_ref<TensorVector>();
           if (v) next->all = v->all;
           next->all.push_back(c.in[n + k]);
           c.set_value(k, object_value(next));
         }
       })
      .stateful()
      .quiet();
  r.op("UnsafeCoalesce", "1+ -> 1+", [](Call& c) {
     for (size_t k = 0; k < c.inputs(); k++) c.set_value(k, c.in[k]);
   }).quiet();
  // ---- indices
  for (auto [name, dtype] : {std::pair("IntIndexCreate", torch::kInt), std::pair("LongIndexCreate", torch::kLong),
                             std::pair("StringIndexCreate", torch::kByte)}) {
    torch::Dtype d = dtype;
    r.op(name, "0 -> 1",
         [d](Call& c) {
           auto i = make_ref<Index>();
           i->texts = d == torch::kByte;
           i->dtype = d;
           i->max = c.i("max_elements", INT64_MAX);
           c.set_value(0, object_value(i));
         })
        .stateful()
        .quiet();
  }
  r.op("IndexGet", "2 -> 1",
       [](Call& c) {
         Index& i = c.object<Index>(0);
         if (i.texts) {
           StringTensor& s = strings(c, 1);
           Dims1 out;
           for (const std::string& k : s.items) out.push_back(i.get(k, i.of_text, i.text_keys));
           return c.set(int_list(out).reshape(s.sizes));
         }
         Dims1 v = c.whole_numbers(1);
         for (int64_t& k : v) k = i.get(k, i.of_number, i.keys);
         c.set(int_list(v).reshape(c.X(1).sizes()));
       })
      .stateful()
      .quiet();
  r.op("IndexLoad", "2 -> 1",
       [](Call& c) {
         Index& i = c.object<Index>(0);
         bool skip = c.b("skip_first_entry");
         if (i.texts) {
           StringTensor& s = strings(c, 1);
           for (size_t k = skip; k < s.items.size(); k++) i.get(s.items[k], i.of_text, i.text_keys);
         } else {
           Dims1 v = c.whole_numbers(1);
           for (size_t k = skip; k < v.size(); k++) i.get(v[k], i.of_number, i.keys);
         }
         c.set_value(0, c.in[0]);
       })
      .stateful()
      .quiet();
  r.op("IndexStore", "1 -> 1",
       [](Call& c) {
         Index& i = c.object<Index>(0);
         if (i.texts) c.set_value(0, string_value(i.text_keys, {int64_t(i.text_keys.size())}));
         else c.set(int_list(i.keys, i.dtype));
       })
      .stateful()
      .quiet();
  r.op("IndexFreeze", "1 -> 1",
       [](Call& c) {
         c.object<Index>(0).frozen = true;
         c.set_value(0, c.in[0]);
       })
      .stateful()
      .quiet();
  r.op("IndexSize", "1 -> 1", [](Call& c) { c.set(one_long(c.object<Index>(0).size())); }).stateful().quiet();
  // ---- maps
  r.op("CreateMap", "0 -> 1",
       [](Call& c) {
         auto m = make_ref<Map>();
         m->keys = dtype_of_proto(c.i("key_dtype", 2)), m->values = dtype_of_proto(c.i("value_dtype", 2));
         c.set_value(0, object_value(m));
       })
      .stateful()
      .quiet();
  r.op("KeyValueToMap", "2 -> 1",
       [](Call& c) {
         auto m = make_ref<Map>();
         m->keys = c.X(0).scalar_type(), m->values = c.X(1).scalar_type();
         Dims1 k = c.whole_numbers(0), v = c.whole_numbers(1);
         C2_ENFORCE(k.size() == v.size(), "there are ", k.size(), " keys for ", v.size(), " values");
         for (size_t i = 0; i < k.size(); i++)
           if (m->all.emplace(k[i], v[i]).second) m->order.push_back(k[i]);
         c.set_value(0, object_value(m));
       })
      .stateful()
      .quiet();
  r.op("MapToKeyValue", "1 -> 2",
       [](Call& c) {
         Map& m = c.object<Map>(0);
         Dims1 k, v;
         for (auto& [key, value] : m.all) k.push_back(key), v.push_back(value);
         c.set(0, int_list(k, m.keys)), c.set(1, int_list(v, m.values));
       })
      .stateful()
      .quiet();
  // ---- time
  r.op("WallClockTime", "0 -> 1",
       [](Call& c) {
         c.set(one_long(
             std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                 .count()));
       })
      .stateful()
      .quiet();
}

void add_text(Registry& r) {
  per_string(
      r, "StringStartsWith", [](const std::string& s, const std::string& p) { return s.starts_with(p); }, "prefix");
  per_string(r, "StringEndsWith", [](const std::string& s, const std::string& p) { return s.ends_with(p); }, "suffix");
  per_string(r, "StringEquals", [](const std::string& s, const std::string& p) { return s == p; }, "text");
  for (bool front : {true, false})
    r.op(front ? "StringPrefix" : "StringSuffix", "1 -> 1", [front](Call& c) {
       StringTensor& s = strings(c, 0);
       auto n = size_t(std::max<int64_t>(c.i("length", 3), 0));
       std::vector<std::string> out;
       for (const std::string& t : s.items)
         out.push_back(front ? t.substr(0, n) : t.substr(t.size() - std::min(n, t.size())));
       c.set_value(0, string_value(out, s.sizes));
     }).stop();
  r.op("StringJoin", "1 -> 1", [](Call& c) {
     std::string delimiter = c.s("delimiter", ",");
     int64_t axis = c.i("axis", 0);
     C2_ENFORCE(axis == 0 || axis == 1, "axis should be 0 or 1");
     std::vector<std::string> all;
     Dims1 sizes;
     if (auto* s = as<StringTensor>(c.in[0])) all = s->items, sizes = s->sizes;
     else {
       Tensor x = c.X().contiguous();
       sizes.assign(x.sizes().begin(), x.sizes().end());
       for (int64_t k = 0; k < x.numel(); k++)
         all.push_back(x.is_floating_point() ? shown(x.reshape({-1}).select(0, k).item<float>())
                                             : std::to_string(x.reshape({-1}).select(0, k).item<int64_t>()));
     }
     C2_ENFORCE(!sizes.empty() && sizes.size() <= 2, "the input should have 1 or 2 dimensions");
     int64_t rows = sizes[0], columns = sizes.size() > 1 ? sizes[1] : 1;
     std::vector<std::string> out(size_t(axis == 0 ? rows : columns));
     for (int64_t i = 0; i < rows; i++)
       for (int64_t j = 0; j < columns; j++) out[size_t(axis == 0 ? i : j)] += all[size_t(i * columns + j)] + delimiter;
     int64_t n = int64_t(out.size());
     c.set_value(0, string_value(std::move(out), {n}));
   }).stop();
}

}  // namespace rushlight::caffe2

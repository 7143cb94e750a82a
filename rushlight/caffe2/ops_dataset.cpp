// Datasets: fields as blobs, whose rows belong together by fields of lengths; read in batches by a cursor.
#include <algorithm>
#include <map>
#include <numeric>

#include "rushlight/caffe2/blobs.h"
#include "rushlight/caffe2/rows.h"
#include "rushlight/caffe2/workspace.h"

namespace rushlight::caffe2 {

int64_t rows_in(const Value& v) {
  if (auto* s = as<StringTensor>(v)) return s->sizes.empty() ? 0 : s->sizes[0];
  C2_ENFORCE(v.is_tensor() && Tensor(v.tensor()).dim() > 0, "a field of a dataset should have rows");
  return Tensor(v.tensor()).size(0);
}

Value string_value(std::vector<std::string> items, std::vector<int64_t> sizes) {
  auto s = make_ref<StringTensor>();
  s->items = std::move(items);
  s->sizes = std::move(sizes);
  return object_value(s);
}

Value part_of(const Value& v, int64_t from, int64_t n) {
  if (auto* s = as<StringTensor>(v)) {
    std::vector<int64_t> sizes = s->sizes;
    int64_t each = sizes[0] ? int64_t(s->items.size()) / sizes[0] : 0;
    sizes[0] = n;
    return string_value({s->items.begin() + from * each, s->items.begin() + (from + n) * each}, sizes);
  }
  return Value(rushlight::Tensor(Tensor(v.tensor()).narrow(0, from, n).contiguous()));
}

Value joined(const std::vector<Value>& parts) {
  std::vector<const Value*> full;
  for (const Value& v : parts)
    if (!v.is_none() && rows_in(v) > 0) full.push_back(&v);
  if (full.empty()) return parts.back();
  if (full.size() == 1) return *full[0];
  if (auto* first = as<StringTensor>(*full[0])) {
    std::vector<std::string> all;
    std::vector<int64_t> sizes = first->sizes;
    sizes[0] = 0;
    for (const Value* v : full) {
      auto* s = as<StringTensor>(*v);
      C2_ENFORCE(s, "strings and numbers can't be one tensor");
      all.insert(all.end(), s->items.begin(), s->items.end());
      sizes[0] += rows_in(*v);
    }
    return string_value(std::move(all), std::move(sizes));
  }
  std::vector<Tensor> tensors;
  for (const Value* v : full) {
    C2_ENFORCE(v->is_tensor(), "strings and numbers can't be one tensor");
    tensors.push_back(Tensor(v->tensor()));
  }
  return Value(rushlight::Tensor(torch::cat(tensors, 0)));
}

namespace {

using Dims1 = std::vector<int64_t>;

struct Cursor final : Object {
  const char* type_name() const override { return "dataset_ops::TreeCursor"; }
  std::vector<std::string> fields;
  int64_t at = 0;
  Dims1 offsets;  // where the entries of each domain begin that are read next; of rows first
};

bool write_cursor(const Value& v, Message& blob) {
  auto* cursor = as<Cursor>(v);
  if (!cursor) return false;
  std::string names;
  for (const std::string& f : cursor->fields) names += f + " ";
  blob.set("content", names);
  if (cursor->at == 0) return true;
  Dims1 offsets = cursor->offsets;
  if (offsets.empty()) offsets.push_back(0);
  offsets[0] = cursor->at;
  blob.message("tensor")->copy_from(*tensor_message(Value(rushlight::Tensor(int_list(offsets))), blob.text("name")));
  blob.message("tensor")->touch();
  return true;
}
Value read_cursor(const Message& blob) {
  auto cursor = make_ref<Cursor>();
  std::string_view names = blob.text("content");
  while (!names.empty()) {
    size_t end = std::min(names.find(' '), names.size());
    if (end > 0) cursor->fields.emplace_back(names.substr(0, end));
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  if (const Message* t = blob.message_or_null("tensor")) {
    Tensor offsets(tensor_value(*t).tensor());
    C2_ENFORCE(offsets.scalar_type() == torch::kLong, "a cursor's offsets should be int64");
    Tensor flat = offsets.reshape({-1}).contiguous();
    cursor->offsets.assign(flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel());
    if (!cursor->offsets.empty()) cursor->at = cursor->offsets[0];
    C2_ENFORCE(cursor->at >= 0, "a cursor is at row ", cursor->at);
  }
  return object_value(cursor);
}

// Of each field of a dataset the field of lengths that says how many rows it has, or -1: "x:lengths" does for all "x:..." that no longer name
// has one for.
Dims1 domains_of(const std::vector<std::string>& fields) {
  std::map<std::string, int64_t, std::less<>> lengths;  // by what they are the lengths of
  static constexpr std::string_view kName = "lengths";
  auto owner = [](std::string_view f) { return f.substr(0, f.size() - std::min(f.size(), kName.size() + 1)); };
  auto is_lengths = [](std::string_view f) { return f == kName || f.ends_with(":lengths"); };
  for (size_t k = 0; k < fields.size(); k++)
    if (is_lengths(fields[k])) lengths[std::string(owner(fields[k]))] = int64_t(k);
  Dims1 out;
  for (const std::string& f : fields) {
    std::string_view name = is_lengths(f) ? owner(f) : std::string_view(f);
    int64_t found = -1;
    while (!name.empty() && found < 0) {
      size_t colon = name.rfind(':');
      name = name.substr(0, colon == name.npos ? 0 : colon);
      if (auto at = lengths.find(name); at != lengths.end()) found = at->second;
    }
    out.push_back(found);
  }
  return out;
}

// The blobs of an operator as fields, from input `first` on.
struct Fields {
  const Call& c;
  size_t first;
  std::vector<std::string> names;
  Dims1 domain;

  Fields(const Call& c, size_t first, std::vector<std::string> named)
      : c(c), first(first), names(std::move(named)), domain() {
    C2_ENFORCE(c.inputs() >= first && names.size() == c.inputs() - first, c.op.type, ": there are ", names.size(),
               " fields for ", c.inputs() - first, " inputs");
    domain = domains_of(names);
  }
  size_t size() const { return names.size(); }
  const Value& operator[](size_t k) const { return c.in[first + k]; }
  Dims1 numbers(int64_t k) const { return c.whole_numbers(first + size_t(k)); }
  // Rows of the fields that lie in no other.
  int64_t rows() const {
    int64_t n = -1;
    for (size_t k = 0; k < size(); k++)
      if (domain[k] < 0) n = n < 0 ? rows_in((*this)[k]) : std::min(n, rows_in((*this)[k]));
    return std::max<int64_t>(n, 0);
  }
};

// Where the entries of each domain begin for each row of the outermost one, and past the last.
class Starts {
 public:
  explicit Starts(const Fields& f) : fields_(f), rows_(f.rows()) {
    for (int64_t d : f.domain) find(d, 0);
  }
  int64_t rows() const { return rows_; }
  int64_t operator()(int64_t domain, int64_t row) const { return domain < 0 ? row : of_.at(domain)[size_t(row)]; }

 private:
  void find(int64_t d, int depth) {
    if (d < 0 || of_.count(d)) return;
    C2_ENFORCE(depth < 64, "fields of lengths lie too deep in each other");
    int64_t outer = fields_.domain[size_t(d)];
    find(outer, depth + 1);
    Dims1 lengths = fields_.numbers(d), sums(lengths.size() + 1), mine;
    for (size_t k = 0; k < lengths.size(); k++) {
      C2_ENFORCE(lengths[k] >= 0, "the field ", fields_.names[size_t(d)], " has a length of ", lengths[k]);
      C2_ENFORCE(!__builtin_add_overflow(sums[k], lengths[k], &sums[k + 1]), "the lengths of ",
                 fields_.names[size_t(d)], " add up to too much");
    }
    for (int64_t row = 0; row <= rows_; row++) {
      int64_t at = (*this)(outer, row);
      C2_ENFORCE(at < int64_t(sums.size()), "field ", d, " has too few rows");
      mine.push_back(sums[size_t(at)]);
    }
    of_[d] = std::move(mine);
  }
  const Fields& fields_;
  int64_t rows_;
  std::map<int64_t, Dims1> of_;
};

// Domains in Caffe2's order: that of the rows, then those of the fields of lengths.
Dims1 domains_in_order(const Fields& fields) {
  Dims1 order{-1};
  for (size_t k = 0; k < fields.size(); k++)
    if (std::find(fields.domain.begin(), fields.domain.end(), int64_t(k)) != fields.domain.end())
      order.push_back(int64_t(k));
  return order;
}

Fields of_cursor(const Call& c, size_t first) {
  auto& cursor = c.object<Cursor>(0);
  std::vector<std::string> names = cursor.fields;
  if (names.empty() && c.inputs() > first) names.resize(c.inputs() - first);
  return Fields(c, first, std::move(names));
}

void read_next(Call& c) {
  auto& cursor = c.object<Cursor>(0);
  Fields fields = of_cursor(c, 1);
  C2_ENFORCE(c.outputs() == fields.size(), "ReadNextBatch wants as many outputs as fields");
  Starts starts(fields);
  int64_t batch = std::max<int64_t>(c.i("batch_size", 1), 0), total = starts.rows();
  int64_t from = std::min(cursor.at, total), n = std::min(batch, total - from);
  cursor.at = from + n;
  cursor.offsets.clear();
  for (int64_t d : domains_in_order(fields)) cursor.offsets.push_back(starts(d, cursor.at));
  if (n < batch && c.b("enforce_batch_size")) n = 0;  // what is left is no batch
  for (size_t k = 0; k < c.outputs(); k++) {
    int64_t a = starts(fields.domain[k], from), b = starts(fields.domain[k], from + n);
    C2_ENFORCE(b <= rows_in(fields[k]), "field ", k, " has too few rows");
    c.set_value(k, part_of(fields[k], a, b - a));
  }
}

// A matrix of where the entries of each domain begin for each row, and past the last.
void compute_offset(Call& c) {
  Fields fields = of_cursor(c, 1);
  Starts starts(fields);
  Dims1 all, order = domains_in_order(fields);
  for (int64_t row = 0; row <= starts.rows(); row++)
    for (int64_t d : order) all.push_back(starts(d, row));
  c.object<Cursor>(0).at = 0;
  c.set(int_list(all).reshape({starts.rows() + 1, int64_t(order.size())}));
}

void sort_and_shuffle(Call& c) {
  Fields fields = of_cursor(c, 1);
  int64_t n = fields.rows(), by = c.i("sort_by_field_idx", -1), batch = std::max<int64_t>(c.i("batch_size", 1), 1),
          some = std::max<int64_t>(c.i("shuffle_size", 1), 1);
  Dims1 order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  if (by >= 0) {
    C2_ENFORCE(size_t(by) < fields.size(), "sort_by_field_idx ", by, ": there are ", fields.size(), " fields");
    Dims1 keys = fields.numbers(by);
    C2_ENFORCE(int64_t(keys.size()) >= n, "the field to sort by has ", keys.size(), " rows of ", n);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return keys[size_t(a)] < keys[size_t(b)]; });
  }
  auto shuffle = [](auto& v, int64_t from, int64_t count) {
    Tensor p = torch::randperm(count);
    auto before = std::vector(v.begin() + from, v.begin() + from + count);
    for (int64_t k = 0; k < count; k++) v[size_t(from + k)] = before[size_t(p.data_ptr<int64_t>()[k])];
  };
  if (batch > 1 && (by >= 0 || some > 1))
    for (int64_t at = 0; at + batch < n; at += batch) shuffle(order, at, batch);
  // Whole batches change their places inside of groups of `some`; what is left behind them stays.
  int64_t batches = n / batch;
  Dims1 places(static_cast<size_t>(batches));
  std::iota(places.begin(), places.end(), 0);
  if (some > 1)
    for (int64_t at = 0; at < batches; at += some) shuffle(places, at, std::min(some, batches - at));
  Dims1 out;
  for (int64_t p : places) out.insert(out.end(), order.begin() + p * batch, order.begin() + (p + 1) * batch);
  out.insert(out.end(), order.begin() + batches * batch, order.end());
  c.set(int_list(out));
}

void read_random(Call& c) {
  auto& cursor = c.object<Cursor>(0);
  Fields fields = of_cursor(c, 3);
  C2_ENFORCE(c.outputs() == fields.size(), "ReadRandomBatch wants as many outputs as fields");
  Dims1 rows = c.whole_numbers(1);
  Starts starts(fields);
  auto n = int64_t(rows.size()), batch = std::max<int64_t>(c.i("batch_size", 1), 0), at = std::min(cursor.at, n);
  if (c.b("enforce_batch_size") && batch > n - at) at = n;
  if (c.b("loop_over") && at >= n) at = 0;
  int64_t last = at + std::min(batch, n - at);
  cursor.at = last;
  for (size_t k = 0; k < c.outputs(); k++) {
    int64_t d = fields.domain[k];
    std::vector<Value> parts{part_of(fields[k], 0, 0)};
    for (int64_t i = at; i < last; i++) {
      int64_t row = rows[size_t(i)];
      C2_ENFORCE(row >= 0 && row < starts.rows(), "the index ", row, " is none of ", starts.rows(), " rows");
      int64_t a = starts(d, row), b = starts(d, row + 1);
      C2_ENFORCE(b <= rows_in(fields[k]), "field ", k, " has too few rows");
      parts.push_back(part_of(fields[k], a, b - a));
    }
    Value all = joined(parts);
    c.set_value(k, rows_in(all) ? all : parts[0]);
  }
}

void check_consistency(Call& c) {
  Fields fields(c, 0, c.op.args.strings("fields"));
  std::map<int64_t, int64_t> rows;
  for (size_t k = 0; k < fields.size(); k++) {
    auto [at, fresh] = rows.try_emplace(fields.domain[k]);
    if (fresh && fields.domain[k] < 0) at->second = rows_in(fields[k]);
    else if (fresh) {
      at->second = 0;
      for (int64_t n : fields.numbers(fields.domain[k]))
        C2_ENFORCE(n >= 0 && !__builtin_add_overflow(at->second, n, &at->second), "the lengths of ", fields.names[k],
                   " are below 0 or add up to too much");
    }
    C2_ENFORCE(at->second == rows_in(fields[k]), "the field ", fields.names[k], " has ", rows_in(fields[k]),
               " rows, where ", at->second, " are expected");
  }
}

void trim(Call& c) {
  Fields fields(c, 0, c.op.args.strings("fields"));
  int64_t multiple = c.i("multiple_of", 1);
  C2_ENFORCE(multiple > 0, "multiple_of should be above 0, got ", multiple);
  Starts starts(fields);
  int64_t rows = starts.rows() / multiple * multiple;
  for (size_t k = 0; k < c.outputs() && k < fields.size(); k++) {
    int64_t n = starts(fields.domain[k], rows);
    C2_ENFORCE(n <= rows_in(fields[k]), "field ", k, " has too few rows");
    c.set_value(k, part_of(fields[k], 0, n));
  }
}

}  // namespace

void add_dataset(Registry& r) {
  saved_objects()["std::unique_ptr<caffe2::dataset_ops::TreeCursor>"] = {write_cursor, read_cursor};
  r.op("CreateTreeCursor", "0 -> 1",
       [](Call& c) {
         auto cursor = make_ref<Cursor>();
         cursor->fields = c.op.args.strings("fields");
         c.set_value(0, object_value(cursor));
       })
      .stateful()
      .quiet();
  r.op("ResetCursor", "1 -> 0", [](Call& c) { c.object<Cursor>(0).at = 0; }).stateful().quiet();
  r.op("ReadNextBatch", "1+ -> 1+", read_next).stateful().quiet();
  r.op("ComputeOffset", "1+ -> 1", compute_offset).stateful().quiet();
  r.op("SortAndShuffle", "1+ -> 1", sort_and_shuffle).stateful().quiet();
  r.op("ReadRandomBatch", "1+ -> 1+", read_random).stateful().quiet();
  r.op("CheckDatasetConsistency", "1+ -> 0", check_consistency).stateful().quiet();
  r.op("TrimDataset", "1+ -> 1+", trim).stateful().quiet();
}

}  // namespace rushlight::caffe2

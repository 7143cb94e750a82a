// Queues of blobs, that threads of plans write to and read from (turn.h): who finds one full or empty waits, until it is closed.
#include <deque>

#include "rushlight/caffe2/rows.h"
#include "rushlight/caffe2/turn.h"
#include "rushlight/caffe2/workspace.h"

namespace rushlight::caffe2 {
namespace {

using Entry = std::vector<Value>;

struct Queue final : Object {
  const char* type_name() const override { return "std::shared_ptr<BlobsQueue>"; }
  size_t capacity = 1, blobs = 1;
  bool closed = false;
  std::deque<Entry> all;

  // False where the queue is closed.
  bool put(Entry e) {
    C2_ENFORCE(e.size() == blobs, "the queue has ", blobs, " blobs an entry, got ", e.size());
    Turn::wait_for([this] { return closed || all.size() < capacity; }, "the queue is full");
    if (closed) return false;
    all.push_back(std::move(e));
    Turn::changed();
    return true;
  }
  // False where it is closed and empty, or nothing came in time.
  bool take(Entry& e, double seconds = 0) {
    if (!Turn::wait_for([this] { return closed || !all.empty(); }, "the queue is empty", seconds)) return false;
    if (all.empty()) return false;
    e = std::move(all.front());
    all.pop_front();
    Turn::changed();
    return true;
  }
  void close() {
    closed = true;
    Turn::changed();
  }
};

Entry entry(const Call& c) { return {c.in.begin() + 1, c.in.end()}; }
// Outputs are what was put in.
void pass_on(Call& c, size_t outputs) {
  for (size_t k = 0; k < outputs && k + 1 < c.inputs(); k++) c.set_value(k, c.in[k + 1]);
}

// Up to num_records entries as one, whose blobs have the rows of all.
bool take_some(Call& c, Queue& q, size_t outputs, double seconds) {
  int64_t wanted = c.i("num_records", 1);
  C2_ENFORCE(wanted > 0, "num_records should be above 0, got ", wanted);
  std::vector<Entry> taken(outputs);
  Entry e;
  for (int64_t n = 0; n < wanted; n++) {
    if (!q.take(e, seconds)) {
      if (n == 0) return false;
      break;
    }
    C2_ENFORCE(e.size() == outputs, "the queue has ", e.size(), " blobs an entry, got ", outputs, " outputs");
    for (size_t k = 0; k < outputs; k++) taken[k].push_back(std::move(e[k]));
  }
  for (size_t k = 0; k < outputs; k++) c.set_value(k, taken[k].size() == 1 ? std::move(taken[k][0]) : joined(taken[k]));
  return true;
}

// Rows that come in batches of one size and go in batches of another.
struct Rebatching final : Object {
  const char* type_name() const override { return "std::unique_ptr<RebatchingQueue>"; }
  size_t capacity = 1, blobs = 1;
  bool closed = false;
  std::deque<std::vector<Tensor>> all;
};

bool rebatch_put(Call& c) {
  auto& q = c.object<Rebatching>(0);
  C2_ENFORCE(c.inputs() - 1 == q.blobs, "the queue has ", q.blobs, " blobs an entry, got ", c.inputs() - 1);
  std::vector<Tensor> in;
  for (size_t k = 1; k < c.inputs(); k++) in.push_back(c.X(k).contiguous());
  bool batch = c.b("enqueue_batch");
  int64_t rows = 1;
  if (batch) {
    for (const Tensor& t : in)
      C2_ENFORCE(t.dim() > 0 && t.size(0) == in[0].size(0), "blobs of a batch should have as many rows");
    rows = in[0].size(0);
  }
  for (int64_t k = 0; k < rows; k++) {
    std::vector<Tensor> row;
    for (const Tensor& t : in) row.push_back(batch ? t.select(0, k).clone() : t);
    Turn::wait_for([&] { return q.closed || q.all.size() < q.capacity; }, "the queue is full");
    if (q.closed) return false;
    q.all.push_back(std::move(row));
    Turn::changed();
  }
  return true;
}

bool rebatch_take(Call& c) {
  auto& q = c.object<Rebatching>(0);
  int64_t wanted = c.i("num_elements", 1);
  C2_ENFORCE(wanted > 0, "num_elements should be above 0, got ", wanted);
  C2_ENFORCE(c.outputs() == q.blobs, "the queue has ", q.blobs, " blobs an entry, got ", c.outputs(), " outputs");
  std::vector<std::vector<Tensor>> columns(q.blobs);
  for (int64_t n = 0; n < wanted; n++) {
    Turn::wait_for([&] { return q.closed || !q.all.empty(); }, "the queue is empty");
    if (q.all.empty()) break;
    for (size_t k = 0; k < q.blobs; k++) columns[k].push_back(std::move(q.all.front()[k]));
    q.all.pop_front();
    Turn::changed();
  }
  if (columns.empty() || columns[0].empty()) return false;
  for (size_t k = 0; k < q.blobs; k++) c.set(k, torch::stack(columns[k], 0));
  return true;
}

template <class Q>
void create(Call& c) {
  auto q = make_ref<Q>();
  q->capacity = size_t(std::max<int64_t>(c.i("capacity", 1), 1));
  q->blobs = size_t(std::max<int64_t>(c.i("num_blobs", 1), 1));
  c.set_value(0, object_value(q));
}

}  // namespace

void add_queue(Registry& r) {
  r.op("CreateBlobsQueue", "0 -> 1", create<Queue>).stateful().quiet();
  r.op("EnqueueBlobs", "2+ -> 0+",
       [](Call& c) {
         C2_ENFORCE(c.object<Queue>(0).put(entry(c)), "the queue is closed");
         pass_on(c, c.outputs());
       })
      .stateful()
      .quiet();
  r.op("SafeEnqueueBlobs", "2+ -> 1+",
       [](Call& c) {
         bool good = c.object<Queue>(0).put(entry(c));
         pass_on(c, c.outputs() - 1);
         c.set(c.outputs() - 1, one_bool(!good));
       })
      .stateful()
      .quiet();
  r.op("DequeueBlobs", "1 -> 1+",
       [](Call& c) {
         C2_ENFORCE(take_some(c, c.object<Queue>(0), c.outputs(), c.f("timeout_secs", 0)),
                    "Dequeue failed: the queue is empty");
       })
      .stateful()
      .quiet();
  r.op("SafeDequeueBlobs", "1 -> 1+",
       [](Call& c) {
         bool good = take_some(c, c.object<Queue>(0), c.outputs() - 1, 0);
         c.set(c.outputs() - 1, one_bool(!good));
       })
      .stateful()
      .quiet();
  r.op("CloseBlobsQueue", "1 -> 0", [](Call& c) { c.object<Queue>(0).close(); }).stateful().quiet();

  r.op("CreateRebatchingQueue", "0 -> 1", create<Rebatching>).stateful().quiet();
  r.op("EnqueueRebatchingQueue", "2+ -> 0", [](Call& c) { C2_ENFORCE(rebatch_put(c), "the queue is closed"); })
      .stateful()
      .quiet();
  r.op("DequeueRebatchingQueue", "1 -> 1+",
       [](Call& c) { C2_ENFORCE(rebatch_take(c), "Dequeue failed: the queue is closed and empty"); })
      .stateful()
      .quiet();
  r.op("CloseRebatchingQueue", "1 -> 0",
       [](Call& c) {
         c.object<Rebatching>(0).closed = true;
         Turn::changed();
       })
      .stateful()
      .quiet();
}

}  // namespace rushlight::caffe2

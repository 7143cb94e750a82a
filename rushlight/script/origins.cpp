// What is read and written: ("FORMAT_WITH_STRING_TABLE", (text, ...), ((at, ((lines, file, first line), begin, end), tag), ...)), with texts by
// their numbers; before 1.11 the records alone, with a source's whole text and its file's name in each record.
#include "rushlight/script/origins.h"

#include <algorithm>
#include <map>

#include "rushlight/core/error.h"
#include "rushlight/io/pickle.h"

namespace rushlight::script {

using io::Pickled;
using K = Pickled::Kind;

namespace {

constexpr const char* kFormat = "FORMAT_WITH_STRING_TABLE";

bool is_tuple(const Pickled* v, size_t n) { return v && v->is(K::Tuple) && v->items.size() >= n; }

class Reader {
 public:
  std::vector<Mark> read(const Pickled* root) {
    if (is_tuple(root, 3) && root->items[0]->is(K::Str) && root->items[0]->text == kFormat) {
      table_ = root->items[1];
      root = root->items[2];
    }
    std::vector<Mark> out;
    if (!root->is(K::List) && !root->is(K::Tuple)) return out;
    size_t kept = 0;
    for (const Pickled* r : root->items) {  // they come in order
      if (!is_tuple(r, 2) || !r->items[0]->is(K::Int) ||
          r->items[0]->integer < (out.empty() ? 0 : int64_t(out.back().at)))
        continue;
      out.push_back({size_t(r->items[0]->integer), snippet(r->items[1])});
      kept += out.back().snippet.size();
      if (kept > kMostKept || put_together_ > kMostWork) break;
    }
    return out;
  }

 private:
  const std::string& text(const Pickled* v) const {
    static const std::string none;
    if (v->is(K::Str)) return v->text;
    bool known = v->is(K::Int) && table_ && v->integer >= 0 && size_t(v->integer) < table_->items.size();
    return known ? table_->items[size_t(v->integer)]->text : none;
  }
  std::string whole(const Pickled* v) {
    if (v->is(K::Call) && is_tuple(v->items[1], 1)) v = v->items[1]->items[0];  // build_intlist([...])
    if (!v->is(K::List)) {
      put_together_ += text(v).size();
      return text(v);
    }
    std::string out;
    for (const Pickled* line : v->items) {
      const std::string& more = text(line);
      put_together_ += more.size();
      if (out.size() + more.size() > kLongest || put_together_ > kMostWork) return "";
      out += more;
    }
    return out;
  }
  std::string snippet(const Pickled* v) {
    if (!is_tuple(v, 3) || !is_tuple(v->items[0], 3) || !v->items[1]->is(K::Int) || !v->items[2]->is(K::Int)) return "";
    const Pickled* of = v->items[0];
    int64_t line = of->items[2]->is(K::Int) ? of->items[2]->integer : 0;
    auto source = std::make_shared<const Source>(
        Source{whole(of->items[0]), text(of->items[1]), int(std::clamp<int64_t>(line, 0, 1 << 30))});
    int64_t begin = v->items[1]->integer, end = v->items[2]->integer, size = int64_t(source->text.size());
    if (begin < 0 || begin >= end || end > size) return "";
    std::string shown = Range{source, size_t(begin), size_t(end)}.highlight();
    return shown.size() > kMostShown ? "" : shown;
  }

  // A text that many records name would otherwise become as many copies of it.
  static constexpr size_t kLongest = 1 << 20, kMostShown = 1 << 14, kMostKept = 8 << 20, kMostWork = 1 << 28;
  const Pickled* table_ = nullptr;
  size_t put_together_ = 0;
};

// Pickles records, and the table of the texts that they name.
class Writer {
 public:
  Writer() {
    table_.mark();
    table_.text(kFormat);
    table_.mark();
    number("");
    records_.mark();
  }
  // What is taken apart is a snippet: a text whose bytes from `begin` to `end` are the place.
  void add(const Mark& m) {
    static constexpr std::string_view before = "  File \"", between = "\", line ", mark = " <--- HERE\n";
    const std::string& s = m.snippet;
    size_t head = s.find('\n'), name_end = s.rfind(between, head), last = s.rfind('\n', s.size() - 2);
    size_t caret = s.find('~', last);
    bool known = s.starts_with(before) && s.ends_with(mark) && name_end < head && last > head && caret != s.npos;
    int64_t line = 0, begin = 0, end = 0;
    records_.integer(int64_t(m.at));
    records_.global("torch.jit._pickle", "build_intlist");
    records_.empty_list();
    records_.mark();
    if (known) {
      line = std::atoll(s.c_str() + name_end + between.size()) + 1;
      size_t at = head + 1, start = at;
      for (; at <= last; line--) {
        start = at;
        at = s.find('\n', at) + 1;
        records_.integer(number(s.substr(start, at - start)));
      }
      begin = int64_t(start - head - 1 + caret - last - 1);
      end = begin + int64_t(s.size() - mark.size() - caret);
    }
    records_.appends();
    records_.tuple(1);
    records_.reduce();
    records_.integer(known ? number(s.substr(before.size(), name_end - before.size())) : 0);
    records_.integer(line);
    records_.tuple(3);
    records_.integer(begin);
    records_.integer(end);
    records_.tuple(3);
    records_.integer(known ? ++tag_ : 0);
    records_.tuple(3);
  }
  std::string finish() {
    records_.tuple(4);
    records_.tuple(4);
    table_.tuple(4);
    std::string out = table_.finish();
    out.pop_back();                            // the stop
    return out + records_.finish().substr(2);  // without another start
  }

 private:
  int64_t number(const std::string& text) {
    auto [at, fresh] = numbers_.emplace(text, int64_t(numbers_.size()));
    if (fresh) table_.text(text);
    return at->second;
  }
  std::map<std::string, int64_t> numbers_;
  io::Pickler table_, records_;
  int64_t tag_ = 0;
};

}  // namespace

const std::vector<Mark>& Origins::marks() const {
  std::call_once(once_, [this] {
    try {
      const auto* data = reinterpret_cast<const uint8_t*>(bytes_.data());
      io::PickleTree tree = io::unpickle({data, bytes_.size()}, "debug_pkl");
      marks_ = Reader().read(tree.root);
    } catch (const Error&) {}  // whoever asks has an error to tell that matters more
    bytes_ = {};
  });
  return marks_;
}

std::string Origins::snippet(size_t at) const {
  auto after = std::upper_bound(marks().begin(), marks().end(), at, [](size_t a, const Mark& m) { return a < m.at; });
  return after == marks().begin() ? "" : std::prev(after)->snippet;
}

std::vector<Mark> Origins::between(size_t begin, size_t end) const {
  std::vector<Mark> out = {{begin, snippet(begin)}};
  for (const Mark& m : marks())
    if (m.at > begin && m.at < end) out.push_back(m);
  return out;
}

std::string origins_pickle(const std::vector<Mark>& marks) {
  Writer w;
  for (const Mark& m : marks) w.add(m);
  return w.finish();
}

}  // namespace rushlight::script

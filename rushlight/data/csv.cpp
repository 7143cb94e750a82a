// Note [Csv]: a first pass finds where rows begin, which quotes make a matter of reading all before, and cuts the file into pieces of whole
// rows. The pieces are then parsed by the library's threads, straight into the columns' tensors.
#include "rushlight/data/csv.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>
#include <unordered_map>

#include "rushlight/data/numbers.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight::data {

namespace {

constexpr const char* type_names[] = {"guess", "int64", "float32", "float64", "bool", "str", "category"};
constexpr size_t kGuessRows = 1000;
constexpr size_t kErrorTexts = 20;

}  // namespace

const char* name_of(ColumnType type) { return type_names[int(type)]; }

ColumnType column_type(std::string_view name, const std::string& where) {
  for (int i = 1; i < 7; i++)
    if (name == type_names[i]) return ColumnType(i);
  throw ValueError(
      str(where, ": expected a column's type to be int64, float32, float64, bool, str or category, got ", name));
}

namespace {

struct Piece {
  const char* begin;
  const char* end;
  int64_t line;  // the number of its first
  int64_t rows;  // at the most
};

// One field, without its quotes; `unfolded` keeps a text whose doubled quotes were made single.
struct Field {
  std::string_view text;
  bool quoted = false;
};

// What is wrong with a row; the line is that of the row's beginning.
struct BadRow {
  int64_t line;
  std::string text;
};

class Tokens {
 public:
  Tokens(const CsvOptions& o, const char* begin, const char* end, int64_t line)
      : p(begin), end(end), line(line), delimiter_(o.delimiter), quote_(o.quote), comment_(o.comment) {}

  // Goes to the next row that is there; false at the end.
  bool next_row() {
    while (p < end) {
      const char* q = p;
      if (*q == '\r' && q + 1 < end) q++;
      if (*q != '\n' && !(comment_ && *p == comment_)) {
        row_line = line;
        return true;
      }
      skip_line();
    }
    return false;
  }
  // The field at p, which then stands at the delimiter or the row's end. An error text if it is none.
  const char* field(Field& out) {
    if (quote_ && p < end && *p == quote_) return quoted(out);
    const char* from = p;
    while (p < end && *p != delimiter_ && *p != '\n') p++;
    const char* to = p;
    if (to > from && to[-1] == '\r' && (p == end || *p == '\n')) to--;
    out = {{from, size_t(to - from)}, false};
    return nullptr;
  }
  bool at_delimiter() const { return p < end && *p == delimiter_; }
  // Behind the end of the row, wherever in it p stands, with quotes heeded.
  void skip_row() {
    Field ignored;
    for (;;) {
      if (field(ignored)) return skip_line();
      if (!at_delimiter()) break;
      p++;
    }
    end_row();
  }
  void end_row() {
    if (p < end && *p == '\r') p++;
    if (p < end) p++, line++;
  }
  void skip_line() {
    auto* found = static_cast<const char*>(std::memchr(p, '\n', size_t(end - p)));
    p = found ? found + 1 : end;
    line++;
  }

  const char* p;
  const char* end;
  int64_t line, row_line = 0;

 private:
  const char* quoted(Field& out) {
    const char* from = ++p;
    bool doubled = false;
    for (;;) {
      auto* found = static_cast<const char*>(std::memchr(p, quote_, size_t(end - p)));
      if (!found) return "a quote that is never closed";
      p = found + 1;
      if (p >= end || *p != quote_) break;
      doubled = true;
      p++;
    }
    const char* to = p - 1;
    line += std::count(from, to, '\n');
    if (p < end && *p != delimiter_ && *p != '\n' && !(*p == '\r' && (p + 1 == end || p[1] == '\n')))
      return "text after a closing quote";
    if (p < end && *p == '\r') p++;
    out = {{from, size_t(to - from)}, true};
    if (!doubled) return nullptr;
    unfolded_.clear();
    for (const char* c = from; c < to; c++) {
      unfolded_ += *c;
      if (*c == quote_) c++;
    }
    out.text = unfolded_;
    return nullptr;
  }
  char delimiter_, quote_, comment_;
  std::string unfolded_;
};

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

std::string shown(std::string_view s) {
  std::string out = "'";
  for (char c : s.substr(0, 40)) out += c >= ' ' && c != 127 ? c : '?';
  return out + (s.size() > 40 ? "...'" : "'");
}

bool truth(std::string_view s, bool& out) {
  if (s == "true" || s == "True" || s == "TRUE" || s == "1") out = true;
  else if (s == "false" || s == "False" || s == "FALSE" || s == "0") out = false;
  else return false;
  return true;
}

// A column while it is read.
struct Column {
  std::string name;
  ColumnType type = ColumnType::Guess;
  bool guessed = false, wanted = true;
  bool has_fill = false;
  double fill = 0;
  Tensor values;
  std::vector<std::string> categories;  // given by the caller
  std::unordered_map<std::string_view, int64_t> codes;
};

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
};

// What one piece has of the columns that aren't numbers: texts, or a category's codes of its own.
struct Texts {
  std::vector<std::string> texts;
  std::unordered_map<std::string, int64_t, TextHash, std::equal_to<>> codes;
};

struct Result {
  int64_t rows = 0, errors = 0;
  std::vector<BadRow> bad;
  std::vector<Texts> texts;  // by column
};

// A guess of int64 met a number that is none: the column is to be read again as float64.
struct Widen { size_t column; };

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, const std::string& where, const CsvOptions& options)
      : o_(options), where_(where), begin_(reinterpret_cast<const char*>(bytes.data())), end_(begin_ + bytes.size()) {
    const bool distinct = o_.delimiter != o_.quote && o_.delimiter != '\n' && o_.delimiter != '\r' &&
                          o_.quote != '\n' && o_.quote != '\r' && o_.delimiter != 0;
    RL_CHECK(ValueError, distinct, where,
             ": delimiter and quote have to be two different characters, and no line breaks");
    if (bytes.size() >= 3 && std::memcmp(begin_, "\xEF\xBB\xBF", 3) == 0) begin_ += 3;
  }

  CsvTable read() {
    read_names();
    choose_columns();
    guess_types();
    cut();
    for (;;) {
      try {
        return parse();
      } catch (const Widen& w) { columns_[w.column].type = ColumnType::Float64; }
    }
  }

 private:
  [[noreturn]] void fail(int64_t line, const std::string& what) {
    throw FileError(str(where_, ": line ", line, ": ", what));
  }

  void read_names() {
    Tokens t(o_, begin_, end_, 1);
    for (int64_t i = 0; i < o_.skip_rows && t.p < t.end; i++) t.skip_line();
    std::vector<std::string> found;
    const char* first = t.p;
    if (t.next_row()) {
      Field f;
      do {
        if (!found.empty()) t.p++;
        if (const char* wrong = t.field(f)) fail(t.row_line, wrong);
        found.emplace_back(f.text);
      } while (t.at_delimiter());
      t.end_row();
    }
    width_ = found.size();
    if (o_.header) {
      RL_CHECK(FileError, width_ > 0 || !o_.names.empty(), where_, ": the file has no row, not even one of names");
      body_ = t.p;
      line_ = t.line;
    } else {
      body_ = first;
      line_ = 1 + o_.skip_rows;
      for (size_t i = 0; i < width_; i++) found[i] = std::to_string(i);
    }
    if (!o_.names.empty()) {
      RL_CHECK(ValueError, width_ == 0 || width_ == o_.names.size(), where_, ": ", o_.names.size(),
               " names were given, but its first row has ", width_, " fields");
      found = o_.names;
      width_ = found.size();
    }
    columns_.resize(width_);
    std::set<std::string> seen;
    for (size_t i = 0; i < width_; i++) {
      columns_[i].name = found[i];
      RL_CHECK(FileError, seen.insert(found[i]).second, where_, ": two columns are named ", shown(found[i]),
               "; give them other names with names=");
    }
  }

  size_t index_of(const std::string& name, const char* option) {
    for (size_t i = 0; i < width_; i++)
      if (columns_[i].name == name) return i;
    std::string all;
    for (size_t i = 0; i < width_ && i < 20; i++) all += (i ? ", " : "") + columns_[i].name;
    throw ValueError(str(where_, ": ", option, " names a column ", shown(name), ", but the file has ", all,
                         width_ > 20 ? ", ..." : ""));
  }

  void choose_columns() {
    if (!o_.columns.empty())
      for (Column& c : columns_) c.wanted = false;
    for (const std::string& name : o_.columns) {
      size_t i = index_of(name, "columns");
      RL_CHECK(ValueError, !columns_[i].wanted, where_, ": columns names ", shown(name), " twice");
      columns_[i].wanted = true;
      order_.push_back(i);
    }
    if (o_.columns.empty()) {
      order_.resize(width_);
      std::iota(order_.begin(), order_.end(), size_t(0));
    }
    for (Column& c : columns_) c.type = o_.type;
    for (const auto& [name, type] : o_.types) columns_[index_of(name, "types")].type = type;
    for (const auto& [name, texts] : o_.categories) {
      Column& c = columns_[index_of(name, "categories")];
      c.type = ColumnType::Category;
      c.categories = texts;
      for (size_t i = 0; i < texts.size(); i++)
        RL_CHECK(ValueError, c.codes.emplace(c.categories[i], int64_t(i)).second, where_, ": categories of ",
                 shown(name), " has ", shown(texts[i]), " twice");
    }
    for (const auto& [name, value] : o_.fill) {
      Column& c = columns_[index_of(name, "fill")];
      c.has_fill = true;
      c.fill = value;
    }
  }

  bool is_missing(std::string_view s) const {
    for (const std::string& m : o_.missing)
      if (s == m) return true;
    return false;
  }

  void guess_types() {
    bool any = false;
    for (Column& c : columns_) any = any || (c.wanted && c.type == ColumnType::Guess);
    if (!any) return;
    struct Seen { bool integer = true, number = true, truth = true, any = false, missing = false; };
    std::vector<Seen> seen(width_);
    Tokens t(o_, body_, end_, line_);
    Field f;
    for (size_t row = 0; row < kGuessRows && t.next_row(); row++) {
      size_t i = 0;
      for (; i < width_; i++) {
        if (t.field(f)) break;
        Seen& s = seen[i];
        std::string_view text = trimmed(f.text);
        if (is_missing(text)) s.missing = true;
        else {
          int64_t n;
          double d;
          bool b;
          s.any = true;
          s.integer = s.integer && parse_int(text, n);
          s.number = s.number && parse_float(text, d);
          s.truth = s.truth && !f.quoted && truth(text, b) && text.size() > 1;
        }
        if (!t.at_delimiter()) break;
        if (i + 1 < width_) t.p++;
      }
      t.skip_row();
    }
    for (size_t i = 0; i < width_; i++) {
      if (columns_[i].type != ColumnType::Guess) continue;
      columns_[i].guessed = true;
      const Seen& s = seen[i];
      const bool filled = !s.missing || columns_[i].has_fill;
      columns_[i].type = !s.any                  ? s.missing ? ColumnType::Float64 : ColumnType::Text
                         : s.truth && filled     ? ColumnType::Bool
                         : s.integer && filled   ? ColumnType::Int64
                         : s.number || s.integer ? ColumnType::Float64
                                                 : ColumnType::Text;
    }
  }

  // See Note [Csv].
  void cut() {
    const size_t size = size_t(end_ - body_);
    const size_t count = std::max<size_t>(1, std::min<size_t>(size >> 20, size_t(num_threads()) * 4));
    const bool quotes = o_.quote && std::memchr(body_, o_.quote, size) != nullptr;
    Tokens t(o_, body_, end_, line_);
    Piece piece{body_, nullptr, line_, 0};
    int64_t rows = 0;
    auto close = [&] {
      piece.end = t.p;
      // A good row has a byte at least for each column, so a file can't ask for more memory than a multiple of its size.
      piece.rows = std::min<int64_t>(piece.rows, (piece.end - piece.begin) / int64_t(std::max<size_t>(width_, 1)) + 1);
      if (piece.end > piece.begin) pieces_.push_back(piece);
      piece = {t.p, nullptr, t.line, 0};
    };
    while (t.next_row() && rows != o_.max_rows) {
      rows++;
      piece.rows++;
      if (quotes) t.skip_row();
      else t.skip_line();
      if (pieces_.size() + 1 < count && size_t(t.p - body_) >= (pieces_.size() + 1) * (size / count)) close();
    }
    close();
  }

  CsvTable parse() {
    std::vector<int64_t> first(pieces_.size() + 1, 0);
    for (size_t i = 0; i < pieces_.size(); i++) first[i + 1] = first[i] + pieces_[i].rows;
    for (Column& c : columns_) {
      if (!c.wanted || c.type == ColumnType::Text) continue;
      DType d = c.type == ColumnType::Float32   ? DType::Float32
                : c.type == ColumnType::Float64 ? DType::Float64
                : c.type == ColumnType::Bool    ? DType::Bool
                                                : DType::Int64;
      c.values = empty_tensor({first.back()}, d);
    }
    std::vector<Result> results(pieces_.size());
    parallel_for(0, int64_t(pieces_.size()), 1, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; i++) parse_piece(pieces_[size_t(i)], first[size_t(i)], results[size_t(i)]);
    });
    CsvTable table;
    for (Result& r : results) {
      if (!r.bad.empty() && !o_.skip_errors) fail(r.bad[0].line, r.bad[0].text);
      table.rows += r.rows;
      table.errors += r.errors;
      for (BadRow& b : r.bad)
        if (table.texts.size() < kErrorTexts) table.texts.push_back(str("line ", b.line, ": ", b.text));
    }
    for (size_t i : order_) table.columns.push_back(finish(i, results, first, table.rows));
    return table;
  }

  void parse_piece(const Piece& piece, int64_t at, Result& out) {
    Tokens t(o_, piece.begin, piece.end, piece.line);
    out.texts.resize(width_);
    std::string wrong;
    while (t.next_row()) {
      wrong.clear();
      bool broken = false;
      size_t i = 0;
      for (;; i++) {
        if (i == width_) {
          wrong = str("more than ", width_, width_ == 1 ? " field" : " fields", ", the number of columns");
          break;
        }
        if (out.rows >= piece.rows) {  // cut() allowed all good rows
          wrong = str("fewer fields than ", width_, " columns");
          break;
        }
        if (!put(t, i, at + out.rows, out, wrong, broken)) break;
        if (!t.at_delimiter()) break;
        t.p++;
      }
      if (wrong.empty() && i + 1 < width_) wrong = str(i + 1, " fields, expected ", width_);
      if (wrong.empty()) {
        t.end_row();
        out.rows++;
        continue;
      }
      for (size_t c = 0; c < width_; c++)  // what the row had given already
        if (columns_[c].type == ColumnType::Text && out.texts[c].texts.size() > size_t(out.rows))
          out.texts[c].texts.pop_back();
      out.errors++;
      if (out.bad.size() < kErrorTexts) out.bad.push_back({t.row_line, wrong});
      if (!o_.skip_errors) return;
      // As cut() went on after the same.
      if (broken) t.skip_line();
      else t.skip_row();
    }
  }

  // Reads the field at t.p into its column; false with `wrong` set if it is none, and `broken` if its quotes are at fault.
  bool put(Tokens& t, size_t i, int64_t row, Result& out, std::string& wrong, bool& broken) {
    Column& c = columns_[i];
    if (c.wanted && c.type == ColumnType::Float64 && quick_number(t, c.values.data<double>()[row])) return true;
    if (c.wanted && c.type == ColumnType::Float32) {
      double d;
      // Through double, as numpy's astype(float32) does.
      if (quick_number(t, d)) {
        c.values.data<float>()[row] = float(d);
        return true;
      }
    }
    if (c.wanted && c.type == ColumnType::Int64 && quick_integer(t, c.values.data<int64_t>()[row])) return true;
    Field f;
    if (const char* text = t.field(f)) {
      wrong = str(text, ", in column ", shown(c.name));
      broken = true;
      return false;
    }
    if (!c.wanted) return true;
    std::string_view text = c.type == ColumnType::Text || c.type == ColumnType::Category ? f.text : trimmed(f.text);
    switch (c.type) {
      case ColumnType::Text: out.texts[i].texts.emplace_back(text); return true;
      case ColumnType::Category: return put_category(c, text, c.values.data<int64_t>()[row], out.texts[i], wrong);
      case ColumnType::Float64:
      case ColumnType::Float32: {
        double d;
        if (!parse_float(text, d)) {
          if (!is_missing(text)) return mismatch(c, text, wrong);
          d = c.has_fill ? c.fill : std::numeric_limits<double>::quiet_NaN();
        }
        if (c.type == ColumnType::Float64) c.values.data<double>()[row] = d;
        else c.values.data<float>()[row] = float(d);
        return true;
      }
      case ColumnType::Int64: {
        int64_t& to = c.values.data<int64_t>()[row];
        if (parse_int(text, to)) return true;
        if (is_missing(text) && c.has_fill) {
          to = int64_t(c.fill);
          return true;
        }
        double d;
        if (c.guessed && (is_missing(text) || parse_float(text, d))) throw Widen{i};
        return mismatch(c, text, wrong);
      }
      case ColumnType::Bool: {
        bool& to = c.values.data<bool>()[row];
        if (truth(text, to)) return true;
        if (is_missing(text) && c.has_fill) {
          to = c.fill != 0;
          return true;
        }
        return mismatch(c, text, wrong);
      }
      case ColumnType::Guess: break;
    }
    RL_INVARIANT(false, "read_csv: a column without a type");
  }

  bool mismatch(const Column& c, std::string_view text, std::string& wrong) const {
    const bool missing = is_missing(text);
    wrong = str("column ", shown(c.name), ": expected ", name_of(c.type), ", got ", missing ? "no value " : "",
                shown(text));
    if (missing) wrong += "; say with fill= what stands for one";
    else if (c.guessed) wrong += "; the type was guessed from the first rows, types= gives another";
    return false;
  }

  bool put_category(const Column& c, std::string_view text, int64_t& code, Texts& own, std::string& wrong) const {
    if (!o_.categories.contains(c.name)) {
      if (is_missing(text)) {
        code = -1;
      } else {
        auto known = own.codes.find(text);
        if (known == own.codes.end()) known = own.codes.emplace(text, int64_t(own.codes.size())).first;
        code = known->second;
      }
      return true;
    }
    auto found = c.codes.find(text);
    if (found != c.codes.end()) {
      code = found->second;
      return true;
    }
    if (is_missing(text)) {
      code = -1;
      return true;
    }
    wrong = str("column ", shown(c.name), ": ", shown(text), " is none of its ", c.categories.size(), " categories");
    return false;
  }

  bool at_field_end(const Tokens& t) const {
    return t.p == t.end || *t.p == o_.delimiter || *t.p == '\n' ||
           (*t.p == '\r' && (t.p + 1 == t.end || t.p[1] == '\n'));
  }
  // Numbers as most files have them, read where they stand; false with nothing changed for all others.
  bool quick_number(Tokens& t, double& out) const {
    const char* from = t.p;
    if (scan_float(t.p, t.end, out) && at_field_end(t)) return step_over_return(t);
    t.p = from;
    return false;
  }
  bool quick_integer(Tokens& t, int64_t& out) const {
    const char* from = t.p;
    if (scan_int(t.p, t.end, out) && at_field_end(t)) return step_over_return(t);
    t.p = from;
    return false;
  }
  static bool step_over_return(Tokens& t) {
    if (t.p < t.end && *t.p == '\r') t.p++;
    return true;
  }

  CsvColumn finish(size_t i, std::vector<Result>& results, const std::vector<int64_t>& first, int64_t rows) {
    Column& c = columns_[i];
    CsvColumn out{c.name, c.type, c.values, {}, {}};
    if (c.type == ColumnType::Text) {
      out.texts.reserve(size_t(rows));
      for (Result& r : results)
        for (std::string& s : r.texts[i].texts) out.texts.push_back(std::move(s));
      return out;
    }
    if (c.type == ColumnType::Category) {
      out.categories = c.categories;
      if (!o_.categories.contains(c.name)) join_codes(c, i, results, first, out.categories);
    }
    if (rows == first.back()) return out;
    // Rows were left out: what follows moves up.
    const size_t item = size_t(c.values.item_size());
    char* data = static_cast<char*>(c.values.raw());
    int64_t to = 0;
    for (size_t p = 0; p < results.size(); p++) {
      std::memmove(data + size_t(to) * item, data + size_t(first[p]) * item, size_t(results[p].rows) * item);
      to += results[p].rows;
    }
    out.values = empty_tensor({rows}, c.values.dtype());
    if (rows) std::memcpy(out.values.raw(), data, size_t(rows) * item);
    return out;
  }

  // The pieces numbered what they found each for itself; now all of them as in one sorted list.
  void join_codes(Column& c, size_t i, const std::vector<Result>& results, const std::vector<int64_t>& first,
                  std::vector<std::string>& all) {
    std::set<std::string> names;
    for (const Result& r : results)
      for (const auto& [name, code] : r.texts[i].codes) names.insert(name);
    all.assign(names.begin(), names.end());
    for (size_t p = 0; p < results.size(); p++) {
      std::vector<int64_t> joined(results[p].texts[i].codes.size());
      for (const auto& [name, code] : results[p].texts[i].codes)
        joined[size_t(code)] = std::lower_bound(all.begin(), all.end(), name) - all.begin();
      int64_t* codes = c.values.data<int64_t>() + first[p];
      for (int64_t r = 0; r < results[p].rows; r++)
        if (codes[r] >= 0) codes[r] = joined[size_t(codes[r])];
    }
  }

  const CsvOptions& o_;
  const std::string& where_;
  const char *begin_, *end_, *body_ = nullptr;
  int64_t line_ = 1;
  size_t width_ = 0;
  std::vector<Column> columns_;
  std::vector<size_t> order_;
  std::vector<Piece> pieces_;
};

}  // namespace

CsvTable read_csv(std::span<const uint8_t> bytes, const std::string& where, const CsvOptions& options) {
  return Reader(bytes, where, options).read();
}

}  // namespace rushlight::data

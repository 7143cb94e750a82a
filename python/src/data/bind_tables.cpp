#include "rushlight/data/csv.h"
#include "tensors.h"

namespace rushlight::py {
namespace {

char one_character(const std::string& s, const char* option) {
  RL_CHECK(ValueError, s.size() <= 1, "read_csv: ", option, ": expected one character of ASCII, got '", s, "'");
  return s.empty() ? '\0' : s[0];
}

nb::object read_csv(nb::handle from, const std::string& type, const std::map<std::string, std::string>& types,
                    const std::vector<std::string>& columns, const std::string& delimiter, const std::string& quote,
                    const std::string& comment, bool header, const std::vector<std::string>& names,
                    const std::vector<std::string>& missing, const std::map<std::string, double>& fill,
                    const std::map<std::string, std::vector<std::string>>& categories, bool skip_errors,
                    int64_t max_rows, int64_t skip_rows) {
  Source s = source_of(from, "read_csv");
  const std::string where = s.where("read_csv");
  data::CsvOptions o;
  if (!type.empty()) o.type = data::column_type(type, where);
  for (const auto& [name, t] : types) o.types[name] = data::column_type(t, where);
  o.columns = columns;
  o.delimiter = one_character(delimiter, "delimiter");
  o.quote = one_character(quote, "quote");
  o.comment = one_character(comment, "comment");
  o.header = header;
  o.names = names;
  o.missing = missing;
  o.fill = fill;
  o.categories = categories;
  o.skip_errors = skip_errors;
  o.max_rows = max_rows;
  o.skip_rows = skip_rows;
  data::CsvTable table = without_gil([&] { return data::read_csv(s.bytes.data, where, o); });
  nb::dict values, meanings;
  for (data::CsvColumn& c : table.columns) {
    nb::object name = to_text(c.name);
    if (c.type == data::ColumnType::Text) values[name] = to_texts(c.texts);
    else values[name] = to_object(c.values);
    if (c.type == data::ColumnType::Category) meanings[name] = to_texts(c.categories);
  }
  return nb::make_tuple(values, meanings, table.rows, table.errors, to_texts(table.texts));
}

}  // namespace

void bind_tables(nb::module_& m) {
  m.def("read_csv", read_csv, "input"_a, "type"_a, "types"_a, "columns"_a, "delimiter"_a, "quote"_a, "comment"_a,
        "header"_a, "names"_a, "missing"_a, "fill"_a, "categories"_a, "skip_errors"_a, "max_rows"_a, "skip_rows"_a,
        "Columns by name, meanings of categories, rows, rows left out and why; see rushlight.data.read_csv.");
}

}  // namespace rushlight::py

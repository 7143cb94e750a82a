// Tables as text (RFC 4180, and what programs make of it): a tensor, or a list of texts, for each column.
//
// Columns have types; those that nobody names are guessed from the first rows, and a guess of int64 becomes float64 where a later row wants it.
// Rows end with \n or \r\n, and may have line breaks inside of quotes; empty lines are left out. A number may have spaces around it.
// Thread safety: may be called at once from any thread; one call uses the library's threads.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rushlight/core/tensor.h"
#include "rushlight/io/file.h"

namespace rushlight::data {

enum class ColumnType : uint8_t { Guess, Int64, Float32, Float64, Bool, Text, Category };
// "int64", "float32", "float64", "bool", "str", "category". Throws ValueError.
ColumnType column_type(std::string_view name, const std::string& where);
const char* name_of(ColumnType type);

struct CsvOptions {
  char delimiter = ',';
  char quote = '"';    // 0: none
  char comment = 0;    // lines that begin so are left out; 0: none
  bool header = true;  // the first row has the names
  std::vector<std::string>
      names;  // of the columns, instead of those in the header; without both they are "0", "1", ...
  std::vector<std::string> columns;     // those wanted, in this order; empty: all
  ColumnType type = ColumnType::Guess;  // of columns that `types` does not name
  std::map<std::string, ColumnType> types;
  // The texts of a category's codes 0, 1, ...; any other is an error. Without: those found, sorted.
  std::map<std::string, std::vector<std::string>> categories;
  // Texts that say a value is missing. It is NaN, -1 for a category, and an error for int64 and bool unless `fill` is there.
  std::vector<std::string> missing = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"};
  std::map<std::string, double> fill;  // what stands for a missing value, by column
  bool skip_errors = false;            // bad rows are left out and counted
  int64_t max_rows = -1;
  int64_t skip_rows = 0;  // lines before the header
};

struct CsvColumn {
  std::string name;
  ColumnType type = ColumnType::Guess;
  Tensor values;                        // not of Text
  std::vector<std::string> texts;       // of Text
  std::vector<std::string> categories;  // of Category: what the codes mean
};

struct CsvTable {
  std::vector<CsvColumn> columns;
  int64_t rows = 0;
  int64_t errors = 0;              // rows left out
  std::vector<std::string> texts;  // what was wrong with the first of them, 20 at the most
};

// `where` begins each error: "read_csv 'a.csv'". Throws FileError that names the line and the column.
CsvTable read_csv(std::span<const uint8_t> bytes, const std::string& where, const CsvOptions& options = {});

}  // namespace rushlight::data

// Readers of rushlight/data as C++ programs use them; the Python tests look at formats and damage.
#include <gtest/gtest.h>

#include <filesystem>

#include "rushlight/data/csv.h"
#include "rushlight/data/db.h"
#include "rushlight/data/image.h"
#include "rushlight/data/libraries.h"
#include "rushlight/data/npy.h"
#include "rushlight/data/record.h"
#include "rushlight/data/sets.h"

namespace rushlight::data {
namespace {

std::span<const uint8_t> bytes_of(std::string_view s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }

template <class T> std::vector<T> numbers(const Tensor& t) { return {t.data<T>(), t.data<T>() + t.numel()}; }

std::string error_of(auto f) {
  try {
    f();
  } catch (const Error& e) { return e.text(); }
  return "";
}

TEST(DataTest, PictureAsPlanes) {
  std::string_view file("P6 2 1 255\n\1\2\3\4\5\6", 17);
  Tensor t = decode_image(bytes_of(file), "test");
  EXPECT_EQ(numbers<uint8_t>(t), (std::vector<uint8_t>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(image_info(bytes_of(file), "test").width, 2);
  EXPECT_NE(error_of([&] { decode_image(bytes_of(file.substr(0, 16)), "test"); }).find("cut short"), std::string::npos);
}

TEST(DataTest, WrittenPngIsRead) {
  if (!has_library("png")) GTEST_SKIP() << "built without libpng";
  Tensor t = decode_image(bytes_of(std::string_view("P6 2 1 255\n\1\2\3\4\5\6", 17)), "test");
  std::string png = encode_png(t);
  EXPECT_EQ(numbers<uint8_t>(decode_image(bytes_of(png), "test")), numbers<uint8_t>(t));
}

TEST(DataTest, ColumnsOfATable) {
  CsvTable t = read_csv(bytes_of("a,b\n1,x\n2,\"y\"\n"), "test");
  EXPECT_EQ(numbers<int64_t>(t.columns[0].values), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(t.columns[1].texts, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(error_of([] { read_csv(bytes_of("a\n1\n2,3\n"), "test"); }),
            "test: line 3: more than 1 field, the number of columns");
}

TEST(DataTest, IdxIsBigEndian) {
  std::string_view file("\0\0\x0b\1\0\0\0\2\0\1\1\0", 12);
  EXPECT_EQ(numbers<int16_t>(read_idx(bytes_of(file), "test")), (std::vector<int16_t>{1, 256}));
}

TEST(DataTest, NumpysFilesThereAndBack) {
  Tensor t = read_idx(bytes_of(std::string_view("\0\0\x0b\1\0\0\0\2\0\1\1\0", 12)), "test");
  std::string file;
  write_npy([&](const void* p, size_t n) { file.append(static_cast<const char*>(p), n); }, t);
  EXPECT_EQ(numbers<int16_t>(read_npy({bytes_of(file), nullptr}, "test")), numbers<int16_t>(t));
}

TEST(DataTest, RecordsInADatabase) {
  if (!has_library("lmdb")) GTEST_SKIP() << "no LMDB here";
  const std::string path = testing::TempDir() + "rushlight_data_test_db";
  std::filesystem::remove_all(path);
  Tensor picture = decode_image(bytes_of(std::string_view("P5 2 1 255\n\1\2", 13)), "test");
  {
    DbOptions options;
    options.write = options.create = true;
    auto db = Database::open(path, options);
    Batch batch;
    batch.put("b", "second");
    batch.put("a", encode_datum(picture, 7));
    db->write(batch, false);
  }
  auto db = Database::open(path, {});
  auto cursor = db->cursor();
  ASSERT_TRUE(cursor->valid());
  Record r = decode_record(cursor->value(), "test");
  EXPECT_EQ(numbers<uint8_t>(r.tensors[0]), (std::vector<uint8_t>{1, 2}));
  EXPECT_EQ(r.label, 7);
  cursor->next();
  EXPECT_EQ(cursor->key(), "b");
  std::string value;
  EXPECT_TRUE(db->get("b", [&](std::string_view v) { value = v; }));
  EXPECT_EQ(value, "second");
  EXPECT_FALSE(db->get("c", [](std::string_view) {}));
  cursor.reset();
  db.reset();
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace rushlight::data

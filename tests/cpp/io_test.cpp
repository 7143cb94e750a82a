#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "rushlight/core/error.h"
#include "rushlight/io/crc32.h"
#include "rushlight/io/safetensors.h"
#include "rushlight/io/values.h"
#include "values.h"

namespace rushlight::io {
namespace {

using Kind = Pickled::Kind;

std::string text_of(const Bytes& b) { return {reinterpret_cast<const char*>(b.data.data()), b.data.size()}; }
Bytes bytes_of(std::string_view s) { return own_bytes({s.begin(), s.end()}); }
std::span<const uint8_t> span_of(std::string_view s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }
PickleTree parsed(std::string_view s) { return unpickle(span_of(s), "load 'x'"); }

// What a call throws, as text; "" if nothing.
std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return "";
}
#define EXPECT_ERROR(call, part)                                                  \
  do {                                                                            \
    std::string text = error_of([&] { call; });                                   \
    EXPECT_NE(text.find(part), std::string::npos) << "it said: '" << text << "'"; \
  } while (false)

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out;
  ZipWriter zip([&](const void* p, size_t n) { out.append(static_cast<const char*>(p), n); });
  for (const auto& [name, data] : entries) zip.add(name, data);
  zip.finish();
  return out;
}

std::string checkpoint_of(const Tensor& t) {
  Pickler p;
  p.empty_dict();
  p.mark();
  p.text("weight");
  pickle_tensor(p, t, "0", false, {});
  p.text("steps");
  p.integer(70000);
  p.setitems();
  std::string out;
  write_checkpoint([&](const void* d, size_t n) { out.append(static_cast<const char*>(d), n); }, p.finish(),
                   {t.impl()->storage()});
  return out;
}

IValue loaded(const std::string& file) { return load_value(bytes_of(file), "x"); }

// A checkpoint whose pickle is given; storage "0" has 16 bytes.
std::string with_pickle(const std::string& pickle) {
  return zip_of({{"a/data.pkl", pickle}, {"a/data/0", std::string(16, 1)}, {"a/version", "3\n"}});
}
std::string rebuilt(const std::function<void(Pickler&)>& geometry, int64_t elements = 4) {
  Pickler p;
  p.global("torch._utils", "_rebuild_tensor_v2");
  p.mark();
  p.mark();
  p.text("storage");
  p.global("torch", "FloatStorage");
  p.text("0");
  p.text("cpu");
  p.integer(elements);
  p.tuple(5);
  p.persistent_id();
  geometry(p);
  p.boolean(false);
  p.empty_dict();
  p.tuple(6);
  p.reduce();
  return with_pickle(p.finish());
}
std::string rebuilt(int64_t offset, std::vector<int64_t> sizes, std::vector<int64_t> strides, int64_t elements = 4) {
  return rebuilt(
      [&](Pickler& p) {
        p.integer(offset);
        for (const auto* list : {&sizes, &strides}) {
          p.mark();
          for (int64_t i : *list) p.integer(i);
          p.tuple(4);
        }
      },
      elements);
}

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/rushlight-io-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const char* name) const { return path_ + "/" + name; }
  size_t files() const { return size_t(std::distance(std::filesystem::directory_iterator(path_), {})); }

 private:
  std::string path_;
};
std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write(const std::string& path, std::string_view text) {
  AtomicFile f(path);
  f.write(text.data(), text.size());
  f.commit();
}

}  // namespace

// ---- files

TEST(FileTest, TheOldFileStandsUntilCommit) {
  Folder folder;
  std::string path = folder / "x";
  write(path, "old");
  {
    AtomicFile f(path);
    std::string big(3 << 20, 'n');
    f.write(big.data(), big.size());
    EXPECT_EQ(contents(path), "old");
  }
  EXPECT_EQ(contents(path), "old");
  EXPECT_EQ(folder.files(), 1u);
  write(path, "new");
  EXPECT_EQ(contents(path), "new");
  EXPECT_EQ(folder.files(), 1u);
}

TEST(FileTest, ALinkStaysALinkAndTheModeStays) {
  Folder folder;
  write(folder / "target", "old");
  ::chmod((folder / "target").c_str(), 0640);
  ASSERT_EQ(::symlink("target", (folder / "link").c_str()), 0);
  write(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(contents(folder / "target"), "new");
  struct stat info;
  ASSERT_EQ(::stat((folder / "target").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST(FileTest, ADeviceIsWrittenNotReplaced) {
  write("/dev/null", "x");
  struct stat info;
  ASSERT_EQ(::stat("/dev/null", &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode));
  EXPECT_ERROR(write("/dev/full", "x"), "save '/dev/full': write: No space left on device");
}

TEST(FileTest, ErrorsNameThePathAndTheReason) {
  Folder folder;
  EXPECT_ERROR(map_file(folder / "none"), "/none': No such file or directory");
  EXPECT_ERROR(map_file(folder / ""), "not a regular file");
  EXPECT_ERROR(write(folder / "no/where", "x"), "/no/where': open: No such file or directory");
  EXPECT_EQ(folder.files(), 0u);
}

// ---- zip

TEST(ZipTest, EntriesComeBackAndAreAligned) {
  std::string file = zip_of({{"a/data.pkl", "hello"}, {"a/data/0", std::string(100, 'x')}, {"a/empty", ""}});
  Bytes held = bytes_of(file);
  ZipReader zip(held, "x");
  EXPECT_EQ(zip.root(), "a/");
  EXPECT_EQ(text_of(zip.read("a/data.pkl")), "hello");
  EXPECT_EQ(text_of(zip.read("a/data/0")), std::string(100, 'x'));
  EXPECT_EQ(text_of(zip.read("a/empty")), "");
  EXPECT_EQ((zip.read("a/data/0").data.data() - held.data.data()) % 64, 0);
  EXPECT_ERROR(zip.read("a/none"), "there is no entry 'a/none'");
}

TEST(ZipTest, NamesThatLeaveTheArchiveAndDuplicatesAreRefused) {
  for (std::string name : {"../x", "a/../../x", "/etc/passwd", "a\\..\\x", "a/..", ".."})
    EXPECT_ERROR(ZipReader(bytes_of(zip_of({{name, "x"}})), "x"), "leaves the archive");
  EXPECT_ERROR(ZipReader(bytes_of(zip_of({{std::string("a\0b", 3), "x"}})), "x"), "name 'a\\x00b' leaves the archive");
  EXPECT_ERROR(ZipReader(bytes_of(zip_of({{"a", "x"}, {"a", "y"}})), "x"), "two entries are named 'a'");
}

TEST(ZipTest, OverlappingEntriesAreRefused) {
  std::string file = zip_of({{"a/1", std::string(200, 'x')}, {"a/2", std::string(200, 'y')}});
  size_t second = file.rfind("PK\1\2");
  std::memset(file.data() + second + 42, 0, 4);  // where the second entry begins: where the first does
  EXPECT_ERROR(ZipReader(bytes_of(file), "x"), "entries overlap at byte 0");
}

TEST(ZipTest, BombsAreRefusedBeforeAnythingIsAllocated) {
  std::string file = zip_of({{"a/data.pkl", std::string(64, 'x')}});
  size_t entry = file.rfind("PK\1\2");
  file[entry + 10] = 8;  // deflated
  std::memcpy(file.data() + entry + 24, "\xf0\xff\xff\xff", 4);
  EXPECT_ERROR(ZipReader(bytes_of(file), "x"), "zip bomb");
}

TEST(ZipTest, AChangedByteIsNoticed) {
  std::string file = zip_of({{"a/data.pkl", "hello"}});
  file[file.find("hello")] = 'j';
  EXPECT_ERROR(ZipReader(bytes_of(file), "x").read("a/data.pkl"), "'a/data.pkl' does not match its checksum");
  EXPECT_ERROR(ZipReader(bytes_of(""), "x"), "the file is empty");
  EXPECT_ERROR(ZipReader(bytes_of(std::string(1000, 'x')), "x"), "no zip archive or it is cut short");
}

// ---- pickle

TEST(PickleTest, ReadsWhatItWrites) {
  Pickler p;
  p.mark();
  p.none();
  p.boolean(true);
  for (int64_t i : {int64_t(0), int64_t(255), int64_t(65535), int64_t(-1), int64_t(INT32_MIN), INT64_MIN, INT64_MAX})
    p.integer(i);
  p.number(-0.1);
  p.text("h\xc3\xa9");
  uint32_t slot = p.put();
  p.get(slot);
  p.tuple(4);
  PickleTree t = parsed(p.finish());
  const auto& items = t.root->items;
  ASSERT_EQ(items.size(), 12u);
  EXPECT_TRUE(items[0]->is(Kind::None));
  EXPECT_TRUE(items[1]->boolean);
  EXPECT_EQ(items[7]->integer, INT64_MIN);
  EXPECT_EQ(items[8]->integer, INT64_MAX);
  EXPECT_EQ(items[9]->number, -0.1);
  EXPECT_EQ(items[10]->text, "h\xc3\xa9");
  EXPECT_EQ(items[10], items[11]);  // shared, not equal only
}

TEST(PickleTest, NothingIsCalled) {
  PickleTree t = parsed("cos\nsystem\n(S'echo hacked'\ntR.");
  EXPECT_TRUE(t.root->is(Kind::Call));
  EXPECT_TRUE(t.root->items[0]->is_global("os.system"));
  EXPECT_ERROR(loaded(with_pickle("cos\nsystem\n(S'echo hacked'\ntR.")), "Unsupported global: os.system");
}

TEST(PickleTest, ErrorsSayWhereAndWhat) {
  EXPECT_ERROR(parsed(std::string("X\x28\0\0\0abc", 8)),
               "load 'x': ends inside a string of 40 bytes; the file is cut short or damaged (byte 5 of 8)");
  EXPECT_ERROR(parsed(std::string("\x8d\xff\xff\xff\xff\xff\xff\xff\xff", 9)),
               "ends inside a string of 18446744073709551615 bytes");
  EXPECT_ERROR(parsed("]]"), "ends inside an opcode");
  EXPECT_ERROR(parsed("\xff"), "unknown pickle opcode 255 (byte 1 of 1)");
  EXPECT_ERROR(parsed("."), "STOP finds nothing on the stack");
  EXPECT_ERROR(parsed("t."), "without a mark");
  EXPECT_ERROR(parsed("h\x07."), "memo 7, which was never put");
  EXPECT_ERROR(parsed("(K\1d."), "odd number");
  EXPECT_ERROR(parsed("I12x\n."), "expected an integer, got '12x'");
}

TEST(PickleTest, NestingAndCyclesAreSafe) {
  std::string deep(1 << 20, ']');  // a million lists, each inside the one before
  deep += std::string((1 << 20) - 1, 'a') + ".";
  EXPECT_TRUE(parsed(deep).root->is(Kind::List));
  EXPECT_ERROR(loaded(with_pickle(deep)), "nested more than");
  std::string tuples = ")";
  for (int i = 0; i < 100000; i++) tuples += '\x85';
  EXPECT_ERROR(loaded(with_pickle(tuples + ".")), "nested more than");
  PickleTree own = parsed(std::string("]q\0h\0a.", 7));
  EXPECT_EQ(own.root->items.at(0), own.root);
  EXPECT_ERROR(loaded(with_pickle(std::string("]q\0h\0a.", 7))), "a value that contains itself");
}

TEST(PickleTest, SharedPartsStaySharedAndNamesAreBounded) {
  // 60 lists, each twice in the next: 2^60 values if sharing were lost.
  std::string laughs = "K\1";
  for (int i = 0; i < 60; i++)
    laughs += "q" + std::string(1, char(i)) + "0](h" + std::string(1, char(i)) + "h" + std::string(1, char(i)) + "e";
  EXPECT_TRUE(loaded(with_pickle(laughs + ".")).is_any_list());
  // A long name, put together with itself again and again: a few bytes of pickle for each copy.
  std::string names = std::string("X\0\0\1\0", 5) + std::string(65536, 'x') + std::string("q\0", 2);
  for (int i = 0; i < 10000; i++) names += std::string("h\0h\0\x93", 5);
  EXPECT_ERROR(parsed(names + "."), "names that are larger than the pickle");
}

TEST(PickleTest, PythonAndCppReadTheSameMeaning) {
  IValue twice = loaded(with_pickle(std::string("]q\0h\0\x86.", 7)));  // an empty list, shared
  const auto& items = twice.to_tuple().items;
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].object(), items[1].object());
  IValue c = loaded(with_pickle("c__builtin__\ncomplex\n(F1.5\nI-2\ntR."));
  EXPECT_EQ(c.to_complex(), complex128(1.5, -2));
  EXPECT_EQ(loaded(with_pickle("ctorch\nfloat64\n.")).to_int(), int64_t(DType::Float64));
  EXPECT_ERROR(loaded(with_pickle("c__builtin__\ncomplex\n(F1.5\ntR.")), "complex with too few arguments");
  EXPECT_ERROR(loaded(with_pickle("ctorch\ndevice\n(I1\ntR.")), "a device that has no name");
  EXPECT_ERROR(loaded(with_pickle("c_codecs\nencode\n(Vx\n")), "ends inside");
  EXPECT_ERROR(loaded(with_pickle("\x8f.")), "can't take");
}

// ---- checkpoints

TEST(CheckpointTest, TensorsComeBack) {
  Tensor t = transpose(view(arange(Scalar(6.f)), {2, 3}), 0, 1);
  IValue v = loaded(checkpoint_of(t));
  Tensor back = v.dict().find(IValue(std::string("weight")))->tensor();
  EXPECT_EQ(values_of(back), values_of(t));
  EXPECT_EQ(back.strides(), t.strides());
}

TEST(CheckpointTest, TensorsThatReachOutsideOfTheirStorageAreRefused) {
  EXPECT_EQ(loaded(rebuilt(0, {2, 2}, {2, 1})).tensor().numel(), 4);
  EXPECT_EQ(loaded(rebuilt(0, {0, 2}, {2, 1})).tensor().numel(), 0);
  EXPECT_EQ(loaded(rebuilt(3, {5}, {0})).tensor().numel(), 5);
  int64_t huge = int64_t(1) << 62;
  for (const std::string& file :
       {rebuilt(0, {5}, {1}), rebuilt(1, {4}, {1}), rebuilt(4, {}, {}), rebuilt(-1, {2}, {1}), rebuilt(2, {2}, {-1}),
        rebuilt(0, {2}, {huge}), rebuilt(0, {huge}, {huge}), rebuilt(INT64_MAX, {2}, {1}),
        rebuilt(0, {int64_t(1) << 32, int64_t(1) << 32}, {0, 0}), rebuilt(0, {huge, huge, 0}, {0, 0, 0}),
        rebuilt(0, {-1}, {1}), rebuilt(0, {2, 2}, {1})})
    EXPECT_ERROR(loaded(file), "a tensor of sizes");
  EXPECT_ERROR(loaded(rebuilt(0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1))), "65 dimensions");
  EXPECT_ERROR(loaded(rebuilt(0, {5}, {1}, 5)), "storage '0' has 16 bytes where its description says 20");
  EXPECT_ERROR(loaded(rebuilt(0, {5}, {1}, huge)), "a storage of 4611686018427387904 elements");
}

TEST(CheckpointTest, NestedParametersDoNotOverflowTheStack) {
  std::string pickle = "ctorch._utils\n_rebuild_parameter\nq" + std::string(1, '\0') + "0";
  for (int i = 0; i < 200000; i++) pickle += std::string("h\0", 2);
  pickle += "N";
  for (int i = 0; i < 200000; i++) pickle += "\x85R";
  EXPECT_ERROR(loaded(with_pickle(pickle + ".")), "tensors made by torch._utils._rebuild_parameter are not supported");
}

TEST(CheckpointTest, CutOrChangedAtAnyByteItAnswersOrSaysWhy) {
  std::string file = checkpoint_of(view(arange(Scalar(4.f)), {2, 2}));
  ASSERT_EQ(error_of([&] { loaded(file); }), "");
  for (size_t cut = 0; cut < file.size(); cut++)
    EXPECT_NE(error_of([&] { loaded(file.substr(0, cut)); }), "") << "cut at byte " << cut;
  for (size_t at = 0; at < file.size(); at++)
    for (int bit = 0; bit < 8; bit++) {
      std::string changed = file;
      changed[at] = char(changed[at] ^ (1 << bit));
      error_of([&] { loaded(changed); });  // anything but an Error fails the test
    }
  // The pickle alone, where no checksum stands before the parser.
  size_t from = file.find("\x80\x02"), to = file.find("PK", from);
  std::string pickle = file.substr(from, to - from);
  for (size_t at = 0; at < pickle.size(); at++) {
    EXPECT_NE(error_of([&] { loaded(with_pickle(pickle.substr(0, at))); }), "");
    for (int value = 0; value < 256; value++) {
      std::string changed = pickle;
      changed[at] = char(value);
      error_of([&] { loaded(with_pickle(changed)); });
    }
  }
}

TEST(CheckpointTest, WhatIsNoCheckpointIsSaidToBeNone) {
  EXPECT_ERROR(loaded(""), "the file is empty");
  EXPECT_ERROR(loaded("hello, world"), "neither a zip archive nor a pickle");
  EXPECT_ERROR(loaded(std::string("\x80\x02K\1.", 5)), "without torch.save's magic number");
  EXPECT_ERROR(loaded(zip_of({{"word/document.xml", "x"}})), "without data.pkl");
  EXPECT_ERROR(loaded(zip_of({{"a/data.pkl", "N."}, {"a/byteorder", "middle"}})), "neither little nor big");
}

TEST(Crc32Test, OfAnyLengthAndInPieces) {
  EXPECT_EQ(crc32_of("123456789", 9), 0xcbf43926u);
  std::string bytes;
  for (int i = 0; i < 1000; i++) bytes += char(i * 7 + i / 13);
  auto slow = [](std::string_view s) {  // bit by bit
    uint32_t crc = ~0u;
    for (unsigned char c : s) {
      crc ^= c;
      for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
  };
  for (size_t n = 0; n < bytes.size(); n += n < 200 ? 1 : 37) {
    EXPECT_EQ(crc32_of(bytes.data(), n), slow({bytes.data(), n})) << n;
    EXPECT_EQ(crc32_of(bytes.data() + n, bytes.size() - n, crc32_of(bytes.data(), n)), slow(bytes)) << n;
  }
}

TEST(SafeTensorsTest, TensorsAndTextComeBack) {
  Tensor t = transpose(view(arange(Scalar(6.f)), {2, 3}), 0, 1);
  std::string file;
  write_safetensors([&](const void* p, size_t n) { file.append(static_cast<const char*>(p), n); },
                    {{"b", t}, {"a", arange(Scalar(int64_t(3)))}}, {{"by", "rush\"light"}});
  for (bool mapped : {false, true}) {
    SafeTensors back(bytes_of(file), "x", mapped);
    EXPECT_EQ(back.metadata().at("by"), "rush\"light");
    EXPECT_EQ(values_of(back.tensor("b")), values_of(t));
    EXPECT_EQ(back.tensor("b").sizes(), t.sizes());
    EXPECT_EQ(back.tensor("a").dtype(), DType::Int64);
    EXPECT_ERROR(back.tensor("c"), "does not contain tensor c");
  }
  for (size_t cut = 0; cut < file.size(); cut++)
    EXPECT_NE(error_of([&] { SafeTensors(bytes_of(file.substr(0, cut)), "x", false); }), "") << "cut at byte " << cut;
}

}  // namespace rushlight::io

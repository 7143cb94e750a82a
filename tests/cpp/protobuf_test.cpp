// The wire format of protocol buffers: what is written is read again, and damage is one error.
#include "rushlight/io/protobuf.h"

#include <gtest/gtest.h>

using namespace rushlight;
using namespace rushlight::io;

namespace {

struct Leaf {
  std::string_view name;
  std::optional<int64_t> count;
  static constexpr auto fields() { return std::tuple(wire::field(1, &Leaf::name), wire::field(2, &Leaf::count)); }
};
struct Tree {
  std::string title;
  int32_t number = 0;
  bool yes = false;
  float f = 0;
  double d = 0;
  std::vector<int64_t> loose, packed;
  std::vector<float> floats;
  std::vector<std::string_view> texts;
  std::vector<Leaf> leaves;
  std::unique_ptr<Tree> child;
  std::vector<std::string_view> rest;
  std::vector<std::string_view>& unknown() { return rest; }
  const std::vector<std::string_view>& unknown() const { return rest; }
  static constexpr auto fields() {
    using wire::field;
    return std::tuple(field(1, &Tree::title), field(2, &Tree::number), field(3, &Tree::yes), field(4, &Tree::f),
                      field(5, &Tree::d), field(6, &Tree::loose), field(7, &Tree::packed, true),
                      field(8, &Tree::floats, true), field(9, &Tree::texts), field(10, &Tree::leaves),
                      field(2000, &Tree::child));
  }
};

std::string bytes(std::initializer_list<int> all) {
  std::string out;
  for (int b : all) out += char(b);
  return out;
}
std::string error_of(std::string_view b) {
  try {
    wire::parse<Tree>(b, "load 't'");
  } catch (const FileError& e) { return e.text(); }
  return "";
}
#define EXPECT_FAILS(input, part) EXPECT_NE(error_of(input).find(part), std::string::npos) << error_of(input)

}  // namespace

TEST(ProtobufTest, WhatIsWrittenIsReadAgain) {
  Tree t;
  t.title = "oak";
  t.number = -3;
  t.yes = true;
  t.f = 1.5f;
  t.d = -0.1;
  t.loose = {1, -1, INT64_MIN};
  t.packed = {0, 300, INT64_MAX};
  t.floats = {0.25f, -2};
  t.texts = {"", "b"};
  t.leaves.push_back({"l", 0});
  t.leaves.push_back({"", {}});
  t.child = std::make_unique<Tree>();
  t.child->title = "twig";
  std::string out = wire::serialize(t);
  Tree back = wire::parse<Tree>(out, "t");
  EXPECT_EQ(back.title, "oak");
  EXPECT_EQ(back.number, -3);
  EXPECT_TRUE(back.yes);
  EXPECT_EQ(back.f, 1.5f);
  EXPECT_EQ(back.d, -0.1);
  EXPECT_EQ(back.loose, t.loose);
  EXPECT_EQ(back.packed, t.packed);
  EXPECT_EQ(back.floats, t.floats);
  EXPECT_EQ(back.texts, t.texts);
  ASSERT_EQ(back.leaves.size(), 2u);
  EXPECT_EQ(back.leaves[0].count, 0);  // there, and 0
  EXPECT_FALSE(back.leaves[1].count);
  EXPECT_EQ(back.child->title, "twig");
  EXPECT_EQ(wire::serialize(back), out);
}

// Bytes worked out from the specification's text.
TEST(ProtobufTest, TheBytesAreThoseOfTheSpecification) {
  wire::Writer w;
  w.varint(1, 150);
  w.bytes(2, "testing");
  w.fixed32(3, 1);
  EXPECT_EQ(w.out, bytes({0x08, 0x96, 0x01, 0x12, 7}) + "testing" + bytes({0x1d, 1, 0, 0, 0}));
  EXPECT_EQ(wire::Writer::zigzag(-2), 3u);
  wire::Field f;
  f.number_value = 3;
  EXPECT_EQ(f.as_zigzag(), -2);
}

TEST(ProtobufTest, NumbersAreReadPackedOrNot) {
  Tree t = wire::parse<Tree>(bytes({0x30, 5, 0x32, 2, 6, 7, 0x38, 8}), "t");
  EXPECT_EQ(t.loose, (std::vector<int64_t>{5, 6, 7}));
  EXPECT_EQ(t.packed, (std::vector<int64_t>{8}));
}

TEST(ProtobufTest, UnknownFieldsAreKeptAndGroupsRead) {
  // Field 99 as a varint; field 10, a message, written as a group, with a group of an unknown number in it.
  std::string b = bytes({0x98, 0x06, 1, 0x53, 0x0a, 1, 'x', 0x1b, 0x20, 4, 0x1c, 0x54});
  Tree t = wire::parse<Tree>(b, "t");
  ASSERT_EQ(t.leaves.size(), 1u);
  EXPECT_EQ(t.leaves[0].name, "x");
  ASSERT_EQ(t.rest.size(), 1u);
  EXPECT_EQ(t.rest[0], bytes({0x98, 0x06, 1}));
  EXPECT_NE(wire::serialize(t).find(t.rest[0]), std::string::npos);
}

TEST(ProtobufTest, OfTwoTheLaterCountsAndMessagesJoin) {
  Tree one, two;
  one.child = std::make_unique<Tree>();
  one.child->title = "a";
  one.number = 1;
  two.child = std::make_unique<Tree>();
  two.child->number = 7;
  two.number = 2;
  std::string both = wire::serialize(one) + wire::serialize(two);
  Tree t = wire::parse<Tree>(both, "t");
  EXPECT_EQ(t.number, 2);
  EXPECT_EQ(t.child->title, "a");
  EXPECT_EQ(t.child->number, 7);
}

TEST(ProtobufTest, DamageIsAnErrorWithItsPlace) {
  EXPECT_FAILS(bytes({0x08}), "load 't': damaged at byte 1: a number is cut short");
  EXPECT_FAILS(bytes({0x0a, 5, 'a'}), "it says 5 bytes, and 1 are left");
  EXPECT_FAILS(bytes({0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}), "bytes, and 0 are left");
  EXPECT_FAILS(bytes({0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}), "more than 64 bits");
  EXPECT_FAILS(bytes({0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}), "more than 64 bits");
  EXPECT_FAILS(bytes({0x00, 0}), "no field has the number 0");
  EXPECT_FAILS(bytes({0x0e}), "the wire type 6");
  EXPECT_FAILS(bytes({0x25, 0, 0}), "cut short");
  EXPECT_FAILS(bytes({0x42, 3, 0, 0, 0}), "cut short");
  EXPECT_FAILS(bytes({0x1c}), "a group ends that did not begin");
  EXPECT_FAILS(bytes({0x1b, 0x20, 1}), "a group without an end");
  EXPECT_FAILS(bytes({0x1b, 0x24}), "the open one is 3");
  EXPECT_FAILS(bytes({0x08, 1}), "field 1: expected bytes, got a varint");
  EXPECT_FAILS(bytes({0x50, 1}), "field 10: expected bytes, got a varint");
  EXPECT_FAILS(bytes({0x21, 0, 0, 0, 0, 0, 0, 0, 0}), "field 4: expected 4 bytes, got 8 bytes");
}

TEST(ProtobufTest, NestingIsLimited) {
  std::string b;
  for (int i = 0; i < 100'000; i++) {
    wire::Writer w;
    w.bytes(2000, b);
    b = std::move(w.out);
    if (b.size() > 3000) break;  // deeper would be the outer ones again
  }
  EXPECT_FAILS(b, "nest more than 100 deep");
  EXPECT_FAILS(std::string(100'000, '\x1b'), "groups nest more than 100 deep");
}

TEST(ProtobufTest, SmallBytesCannotAskForMuchMemory) {
  std::string b;
  for (int i = 0; i < 2'000'000; i++) b += bytes({0x52, 0});  // leaves of no bytes
  EXPECT_FAILS(b, "far more memory than it has bytes");
}

TEST(ProtobufTest, EachCutIsAnErrorOrAShorterMessage) {
  Tree t;
  t.title = "oak";
  t.packed = {1, 2, 1 << 20};
  t.leaves.push_back({"leaf", 5});
  t.child = std::make_unique<Tree>();
  t.child->d = 1;
  std::string whole = wire::serialize(t);
  int failed = 0;
  for (size_t n = 0; n < whole.size(); n++) failed += !error_of(std::string_view(whole).substr(0, n)).empty();
  EXPECT_GT(failed, int(whole.size()) / 2);
}

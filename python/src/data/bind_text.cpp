// Tokenisers, for rushlight.text.
#include "rushlight/data/text.h"
#include "rushlight/kernels/parallel.h"
#include "tensors.h"

namespace rushlight::py {
namespace {

// The UTF-8 of a str, which keeps it. Half surrogates raise UnicodeEncodeError.
std::string_view utf8_of(nb::handle text, const char* function) {
  RL_CHECK(TypeError, PyUnicode_Check(text.ptr()), function, ": expected a str, got ", short_type_name(text.ptr()));
  Py_ssize_t n;
  const char* s = PyUnicode_AsUTF8AndSize(text.ptr(), &n);
  if (!s) throw nb::python_error();
  return {s, size_t(n)};
}

// Bytes that are no UTF-8 are replaced.
nb::object text_object(std::string_view s) {
  PyObject* made = PyUnicode_DecodeUTF8(s.data(), Py_ssize_t(s.size()), "replace");
  if (!made) throw nb::python_error();
  return nb::steal(made);
}

template <class Strings>
nb::list to_strs(const Strings& all) {
  nb::list out;
  for (auto& s : all) out.append(text_object(s));
  return out;
}

nb::list to_ints(const std::vector<int64_t>& ids) {
  nb::list out = nb::steal<nb::list>(PyList_New(Py_ssize_t(ids.size())));
  for (size_t i = 0; i < ids.size(); i++) PyList_SET_ITEM(out.ptr(), Py_ssize_t(i), PyLong_FromLongLong(ids[i]));
  return out;
}

// The numbers of each text, found by the library's threads.
template <class T>
nb::list encode_all(const T& tokenizer, nb::list texts, const char* function) {
  std::vector<std::string_view> views;
  nb::object held = nb::steal(PyList_AsTuple(texts.ptr()));  // the list may change meanwhile
  for (nb::handle text : held) views.push_back(utf8_of(text, function));
  std::vector<std::vector<int64_t>> found(views.size());
  without_gil([&] {
    parallel_for(0, int64_t(views.size()), 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) found[size_t(i)] = tokenizer.encode(views[size_t(i)]);
    });
    return 0;
  });
  nb::list out;
  for (auto& ids : found) out.append(to_ints(ids));
  return out;
}

template <class T>
nb::list tokens_of(const T& tokenizer, std::string_view text) {
  nb::list out;
  for (int64_t id : tokenizer.encode(text)) out.append(text_object(tokenizer.vocabulary().token(id)));
  return out;
}

data::Vocabulary vocabulary_of(nb::handle from, bool json, const char* function) {
  if (PyList_Check(from.ptr())) {
    std::vector<std::string> tokens;
    for (nb::handle token : nb::borrow<nb::list>(from)) tokens.emplace_back(utf8_of(token, function));
    return data::Vocabulary(std::move(tokens));
  }
  Source s = source_of(from, function);
  std::string where = s.where(function);
  return without_gil([&] {
    return json ? data::Vocabulary::of_json(s.bytes.data, where) : data::Vocabulary::of_lines(s.bytes.data, where);
  });
}

data::WordOptions word_options(bool lower, std::optional<bool> strip_accents, bool split_chinese,
                               std::vector<std::string> never_split) {
  return {lower, strip_accents.value_or(lower), split_chinese, std::move(never_split)};
}

}  // namespace

void bind_text(nb::module_& m) {
  m.def(
      "basic_english", [](nb::handle text) { return to_strs(data::basic_english(utf8_of(text, "basic_english"))); },
      "text"_a, "torchtext's tokens of English.");
  m.def(
      "bert_words",
      [](nb::handle text, bool lower, std::optional<bool> strip_accents, bool split_chinese,
         std::vector<std::string> never_split) {
        auto options = word_options(lower, strip_accents, split_chinese, std::move(never_split));
        return to_strs(data::bert_words(utf8_of(text, "bert_words"), options));
      },
      "text"_a, "lower"_a, "strip_accents"_a.none(), "split_chinese"_a, "never_split"_a, "BERT's words.");
  m.def(
      "gpt2_words", [](nb::handle text) { return to_strs(data::gpt2_words(utf8_of(text, "gpt2_words"))); }, "text"_a,
      "The words that GPT-2 splits a text into.");
  m.def(
      "read_vocabulary",
      [](nb::handle from, bool json) { return to_strs(vocabulary_of(from, json, "read_vocabulary").tokens()); },
      "from_"_a, "json"_a, "The tokens of a file in the order of their numbers.");

  nb::class_<data::WordPieces>(m, "WordPieces")
      .def(
          "__init__",
          [](data::WordPieces* self, nb::handle vocabulary, bool lower, std::optional<bool> strip_accents,
             bool split_chinese, std::vector<std::string> never_split, std::string unknown, std::string prefix,
             int64_t max_characters) {
            auto options = word_options(lower, strip_accents, split_chinese, std::move(never_split));
            new (self) data::WordPieces(vocabulary_of(vocabulary, false, "WordPieces"), std::move(options),
                                        std::move(unknown), prefix, max_characters);
          },
          "vocabulary"_a, "lower"_a, "strip_accents"_a.none(), "split_chinese"_a, "never_split"_a, "unknown"_a,
          "prefix"_a, "max_characters"_a)
      .def("encode",
           [](const data::WordPieces& s, nb::handle text) { return to_ints(s.encode(utf8_of(text, "encode"))); })
      .def("encode_all", [](const data::WordPieces& s, nb::list texts) { return encode_all(s, texts, "encode_all"); })
      .def("tokens", [](const data::WordPieces& s, nb::handle text) { return tokens_of(s, utf8_of(text, "tokens")); })
      .def("vocabulary", [](const data::WordPieces& s) { return to_strs(s.vocabulary().tokens()); });

  nb::class_<data::BytePairs>(m, "BytePairs")
      .def(
          "__init__",
          [](data::BytePairs* self, nb::handle vocabulary, nb::handle merges, std::optional<std::string> unknown,
             std::vector<std::string> specials) {
            data::Vocabulary v = vocabulary_of(vocabulary, true, "BytePairs");
            int64_t id = unknown ? v.find(*unknown) : -1;
            RL_CHECK(ValueError, !unknown || id >= 0, "BytePairs: the vocabulary of ", v.size(),
                     " tokens does not have the one for unknown bytes, '", *unknown, "'");
            Source s = source_of(merges, "BytePairs");
            new (self) data::BytePairs(std::move(v), s.bytes.data, s.where("BytePairs"), id, std::move(specials));
          },
          "vocabulary"_a, "merges"_a, "unknown"_a.none(), "specials"_a)
      .def("encode",
           [](const data::BytePairs& s, nb::handle text) { return to_ints(s.encode(utf8_of(text, "encode"))); })
      .def("encode_all", [](const data::BytePairs& s, nb::list texts) { return encode_all(s, texts, "encode_all"); })
      .def("tokens", [](const data::BytePairs& s, nb::handle text) { return tokens_of(s, utf8_of(text, "tokens")); })
      .def("decode",
           [](const data::BytePairs& s, const std::vector<int64_t>& ids) { return text_object(s.decode(ids)); })
      .def("vocabulary", [](const data::BytePairs& s) { return to_strs(s.vocabulary().tokens()); });

  m.def(
      "learn_byte_pairs",
      [](nb::list texts, int64_t size, int64_t least, const std::vector<std::string>& specials) {
        nb::object held = nb::steal(PyList_AsTuple(texts.ptr()));
        std::vector<std::string_view> views;
        for (nb::handle text : held) views.push_back(utf8_of(text, "learn_byte_pairs"));
        data::Merges learned = without_gil([&] { return data::learn_byte_pairs(views, size, least, specials); });
        nb::list merges;
        for (auto& [left, right] : learned.merges) merges.append(nb::make_tuple(text_object(left), text_object(right)));
        return nb::make_tuple(to_strs(learned.tokens), merges);
      },
      "texts"_a, "size"_a, "least"_a, "specials"_a, "(tokens, merges)");
}

}  // namespace rushlight::py

// Lexer: TorchScript text (a subset of Python) to tokens, indentation included.
#pragma once
#include <string>
#include <vector>

#include "rushlight/script/source.h"

namespace rushlight::script {

struct Token {
  enum class Kind : uint8_t {
    Name,
    Keyword,
    Int,
    Float,
    Imaginary,
    String,
    FString,
    Operator,
    Newline,
    Indent,
    Dedent,
    End
  };
  Kind kind;
  std::string text;  // of a String: its value
  Range range;
  bool is(Kind k, const char* t) const { return kind == k && text == t; }
  bool is_op(const char* t) const { return is(Kind::Operator, t); }
  bool is_keyword(const char* t) const { return is(Kind::Keyword, t); }
};

// `# type: (int) -> Tensor`: what stands after the colon, and where.
struct TypeComment {
  std::string text;
  size_t begin;
};

// Throws ScriptError at a character that starts no token, an open string or bracket, or an indentation that fits no block.
std::vector<Token> tokenize(const std::shared_ptr<const Source>& source, std::vector<TypeComment>* comments = nullptr);

}  // namespace rushlight::script

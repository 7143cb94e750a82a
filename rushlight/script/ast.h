// The syntax tree of TorchScript text.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rushlight/script/source.h"

namespace rushlight::script {

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

struct Expr {
  enum class Kind : uint8_t {
    Name,  // text
    Int,
    Float,
    Imaginary,
    String,   // text
    FString,  // items: String parts and expressions, in order; keywords: how each is shown, "!r:>5" or ""
    True,
    False,
    None,
    Ellipsis,
    Attribute,  // items[0] . text
    Call,       // items[0] ( items[1...], names with their keywords )
    Subscript,  // items[0] [ items[1...] ]
    Slice,      // items: start, stop, step; null where left out
    Unary,      // text items[0]
    Binary,     // items[0] text items[1]; comparisons and `in`, `is` too
    Chain,      // items[0] op items[1] op items[2] ...: each is evaluated once; keywords: the operators
    And,
    Or,           // items[0], items[1]
    Conditional,  // items: condition, then, else
    List,
    Tuple,
    Dict,      // items; of a Dict: key, value, key, value
    ListComp,  // items: element, target, iterable, conditions...
    DictComp,  // items: key, value, target, iterable, conditions...
    Star,      // *items[0]
    Lambda,    // kept for the error
  };
  Kind kind;
  Range range;
  int height = 1;  // of the tree: what goes through it recurses as deep
  std::string text;
  std::vector<ExprPtr> items;
  std::vector<std::pair<std::string, ExprPtr>> keywords;  // of a Call
};

struct Stmt;
using StmtPtr = std::shared_ptr<const Stmt>;

struct Param {
  std::string name;
  Range range;
  ExprPtr annotation, default_value;  // null where there is none
  bool kwarg_only = false;
};

struct Stmt {
  enum class Kind : uint8_t {
    Expression,  // value
    Assign,      // targets[0] = targets[1] = ... = value; annotation with one target
    AugAssign,   // targets[0] text= value
    Return,      // value may be null
    If,
    While,  // value, body, orelse
    For,    // targets[0] in value: body
    Pass,
    Break,
    Continue,
    Raise,   // value may be null
    Assert,  // value, message
    Delete,  // targets
    With,    // items as (value, targets...) pairs in `targets`; body
    Def,     // a function: name, params, annotation (the result), body
    Class,   // name, bases in targets, body
  };
  Kind kind;
  Range range;
  std::string text;  // operator of AugAssign; name of Def and Class
  std::vector<ExprPtr> targets;
  ExprPtr value, message, annotation;
  std::vector<StmtPtr> body, orelse;
  std::vector<Param> params;
  std::vector<ExprPtr> decorators;
  std::string doc;
};

}  // namespace rushlight::script

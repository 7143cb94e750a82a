// What the library's parser makes of schemas: reads one a line, writes one object of JSON a line. The generators ask it, so that schemas
// are parsed in one place (dispatch/schema.cpp).
#include <cstdio>
#include <iostream>
#include <string>

#include "rushlight/dispatch/schema.h"

using namespace rushlight;

namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string shown(const Argument& a) {
  std::string out = "{\"type\": " + quoted(a.type_name) + ", \"name\": " + quoted(a.name);
  if (a.kwarg_only) out += ", \"kwarg_only\": true";
  if (a.has_default) {
    std::string text = a.text();
    out += ", \"default\": " + quoted(text.substr(text.find('=') + 1));
  }
  return out + "}";
}

std::string shown(const std::vector<Argument>& all) {
  std::string out;
  for (const Argument& a : all) out += (out.empty() ? "" : ", ") + shown(a);
  return "[" + out + "]";
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    try {
      Schema s = Schema::parse(line);
      std::printf("{\"name\": %s, \"overload\": %s, \"args\": %s, \"returns\": %s}\n", quoted(s.name).c_str(),
                  quoted(s.overload).c_str(), shown(s.args).c_str(), shown(s.returns).c_str());
    } catch (const Error& e) {
      std::fprintf(stderr, "%s\n", e.what());
      return 1;
    }
  }
}

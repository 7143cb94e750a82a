// The optional libraries. libpng and libjpeg are linked where the build found them; the others are opened at first use, so that who reads
// pictures doesn't load a dozen codecs. CMakeLists.txt says RL_HAVE_<NAME> for each whose headers it found.
#pragma once
#include <string>
#include <string_view>

namespace rushlight::data {

// Whether this build knows "png", "jpeg", "sndfile", "leveldb" or "lmdb", and, of those that are opened at first use, finds it here.
bool has_library(std::string_view name);
// Throws NotImplementedError that names the package to install.
[[noreturn]] void fail_missing_library(const std::string& where, std::string_view name);

// A library that is opened at first use, and stays open; throws what fail_missing_library throws. And one of its functions.
void* open_library(const std::string& where, std::string_view name);
void* symbol_of(void* opened, const char* name);

}  // namespace rushlight::data

#include "rushlight/data/libraries.h"

#include <dlfcn.h>

#include <map>
#include <vector>

#include "rushlight/core/error.h"
#include "rushlight/kernels/providers.h"

namespace rushlight::data {
namespace {

struct Library {
  const char* title;
  const char* develop;  // Debian's packages
  const char* run;
  bool built;
  const char* soname;  // null where it is linked
  // What it needs itself: in a wheel those lie beside it, where the system doesn't look unless they are open already.
  std::vector<const char*> needs = {};
};

#ifdef RL_HAVE_PNG
constexpr bool png = true;
#else
constexpr bool png = false;
#endif
#ifdef RL_HAVE_JPEG
constexpr bool jpeg = true;
#else
constexpr bool jpeg = false;
#endif
#ifdef RL_HAVE_SNDFILE
constexpr bool sndfile = true;
#else
constexpr bool sndfile = false;
#endif
#ifdef RL_HAVE_LEVELDB
constexpr bool leveldb = true;
#else
constexpr bool leveldb = false;
#endif
#ifdef RL_HAVE_LMDB
constexpr bool lmdb = true;
#else
constexpr bool lmdb = false;
#endif

const Library& library(std::string_view name) {
  static const std::map<std::string_view, Library> all = {
      {"png", {"libpng", "libpng-dev", "libpng16-16", png, nullptr}},
      {"jpeg", {"libjpeg-turbo", "libjpeg62-turbo-dev", "libjpeg62-turbo", jpeg, nullptr}},
      {"sndfile", {"libsndfile", "libsndfile1-dev", "libsndfile1", sndfile, "libsndfile.so.1"}},
      {"leveldb", {"LevelDB", "libleveldb-dev", "libleveldb1d", leveldb, "libleveldb.so.1d", {"libsnappy.so.1"}}},
      {"lmdb", {"LMDB", "liblmdb-dev", "liblmdb0", lmdb, "liblmdb.so.0"}},
  };
  auto found = all.find(name);
  RL_CHECK(ValueError, found != all.end(), "expected png, jpeg, sndfile, leveldb or lmdb, got ", name);
  return found->second;
}

void* open(const Library& l) {
  if (!l.built || !l.soname) return nullptr;
  for (const char* need : l.needs) open_provider_library({need}, nullptr);
  return open_provider_library({l.soname}, nullptr);
}

}  // namespace

bool has_library(std::string_view name) {
  const Library& l = library(name);
  return l.built && (!l.soname || open(l));
}

void fail_missing_library(const std::string& where, std::string_view name) {
  const Library& l = library(name);
  if (l.built)
    throw NotImplementedError(
        str(where, ": ", l.title, " (", l.soname, ") is not on this system; install it: apt-get install ", l.run));
  throw NotImplementedError(str(where, ": this build of rushlight has no ", l.title,
                                "; install its headers and build again: apt-get install ", l.develop));
}

void* open_library(const std::string& where, std::string_view name) {
  void* opened = open(library(name));
  if (!opened) fail_missing_library(where, name);
  return opened;
}

void* symbol_of(void* opened, const char* name) {
  void* found = dlsym(opened, name);
  RL_CHECK(NotImplementedError, found, "the library on this system is too old: it has no function ", name);
  return found;
}

}  // namespace rushlight::data

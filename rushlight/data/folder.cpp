#include <algorithm>
#include <filesystem>
#include <set>

#include "rushlight/data/sets.h"

namespace rushlight::data {
namespace {

namespace fs = std::filesystem;

bool ends_with_any(const std::string& name, const std::vector<std::string>& endings) {
  std::string lower = name;
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = char(c + 32);
  return std::any_of(endings.begin(), endings.end(), [&](const std::string& e) { return lower.ends_with(e); });
}

class Scan {
 public:
  Scan(const std::vector<std::string>& endings, const std::string& where) : endings_(endings), where_(where) {}

  // Names in a folder, in order; with `folders`, only those of folders.
  std::vector<std::string> names(const fs::path& folder, bool folders) {
    std::vector<std::string> out;
    std::error_code error;
    fs::directory_iterator it(folder, error);
    RL_CHECK(OsError, !error, where_, ": folder '", folder.string(), "': ", error.message());
    for (const fs::directory_iterator end; it != end; it.increment(error)) {
      if (error) break;
      std::error_code ignored;  // a link that leads nowhere is no folder
      if (!folders || it->is_directory(ignored)) out.push_back(it->path().filename().string());
    }
    RL_CHECK(OsError, !error, where_, ": folder '", folder.string(), "': ", error.message());
    std::sort(out.begin(), out.end());
    return out;
  }

  // The folder and all that are in it.
  void folders(const fs::path& folder, std::vector<std::string>& out) {
    std::error_code error;
    const std::string real = fs::canonical(folder, error).string();
    RL_CHECK(OsError, !error && open_.insert(real).second, where_, ": folder '", folder.string(),
             "': ", error ? error.message() : "it contains itself, through a link");
    out.push_back(folder.string());
    for (const std::string& name : names(folder, true)) folders(folder / name, out);
    open_.erase(real);
  }

  void files(const std::string& folder, std::vector<std::string>& out) {
    for (const std::string& name : names(folder, false)) {
      std::error_code ignored;
      fs::path file = fs::path(folder) / name;
      if (ends_with_any(name, endings_) && !fs::is_directory(file, ignored)) out.push_back(file.string());
    }
  }

 private:
  const std::vector<std::string>& endings_;
  const std::string& where_;
  std::set<std::string> open_;
};

}  // namespace

Folder scan_folder(const std::string& root, const std::vector<std::string>& endings, const std::string& where) {
  Scan scan(endings, where);
  Folder out;
  out.classes = scan.names(root, true);
  for (size_t i = 0; i < out.classes.size(); i++) {
    std::vector<std::string> folders, found;
    scan.folders(fs::path(root) / out.classes[i], folders);
    std::sort(folders.begin(), folders.end());
    for (const std::string& folder : folders) scan.files(folder, found);
    for (std::string& file : found) out.files.emplace_back(std::move(file), int64_t(i));
  }
  return out;
}

}  // namespace rushlight::data
